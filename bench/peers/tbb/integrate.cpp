// integrate, with TBB's task_group: run the left half, call the right one, wait.
#include "integrate.h"
#include "inside.hpp"
#include "load.h"

static double integral(const integrate_piece &p) {
    integrate_piece left, right;
    double area, left_area;
    if (!integrate_halves(&p, &left, &right, &area)) {
        return area;
    }
    tbb::task_group group;
    group.run([&left, &left_area] { left_area = integral(left); });
    area = integral(right);
    group.wait();
    return left_area + area;
}

static void run_task(load_run *run) {
    integrate_piece whole = integrate_whole(run);
    double area = 0;
    inside(run->workers, [run, &whole, &area] {
        load_begin(run);
        area = integral(whole);
        load_end(run);
    });
    integrate_account(run, area);
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("integrate", "tbb", 1000000, variants)
