/* matmul, with OpenMP's task and taskwait. */
#include "matmul.h"
#include "load.h"
#include "peer.h"

static void multiply(double *c, const double *a, const double *b, uint64_t n) {
    if (n == MATMUL_LEAF) {
        matmul_leaf(c, a, b);
        return;
    }
    uint64_t q = n * n / 4;
    for (unsigned half = 0; half < 2; half++) {
        const double *upper = a + half * q, *lower = a + (2 + half) * q;
        const double *left = b + half * 2 * q, *right = b + (half * 2 + 1) * q;
#pragma omp task
        multiply(c, upper, left, n / 2);
#pragma omp task
        multiply(c + q, upper, right, n / 2);
#pragma omp task
        multiply(c + 2 * q, lower, left, n / 2);
        multiply(c + 3 * q, lower, right, n / 2);
#pragma omp taskwait
    }
}

static void run_task(load_run *run) {
    matmul_run m = matmul_init(run);
#pragma omp parallel num_threads(run->workers)
#pragma omp single
    {
        load_begin(run);
        multiply(m.c, m.a, m.b, m.n);
        load_end(run);
    }
    matmul_account(run, &m);
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("matmul", PEER, 1024, variants)
