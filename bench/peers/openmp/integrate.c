/* integrate, with OpenMP's task and taskwait. */
#include "integrate.h"
#include "load.h"
#include "peer.h"

static double integral(const integrate_piece *p) {
    integrate_piece left, right;
    double area, left_area;
    if (!integrate_halves(p, &left, &right, &area)) {
        return area;
    }
#pragma omp task shared(left, left_area)
    left_area = integral(&left);
    area = integral(&right);
#pragma omp taskwait
    return left_area + area;
}

static void run_task(load_run *run) {
    integrate_piece whole = integrate_whole(run);
    double area = 0;
#pragma omp parallel num_threads(run->workers)
#pragma omp single
    {
        load_begin(run);
        area = integral(&whole);
        load_end(run);
    }
    integrate_account(run, area);
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("integrate", PEER, 1000000, variants)
