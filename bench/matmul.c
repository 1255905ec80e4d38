/* matmul: the product of two matrices, quarter by quarter: four products at a time. Size: rows, a power of two. */
#include <stdint.h>

#include <vtask.h>

#include "inside.h"
#include "load.h"
#include "matmul.h"

static void plain(double *c, const double *a, const double *b, uint64_t n) {
    if (n == MATMUL_LEAF) {
        matmul_leaf(c, a, b);
        return;
    }
    uint64_t q = n * n / 4; /* elements of a quarter */
    for (unsigned half = 0; half < 2; half++) {
        for (unsigned i = 0; i < 4; i++) {
            plain(c + i * q, a + (i / 2 * 2 + half) * q, b + (half * 2 + i % 2) * q, n / 2);
        }
    }
}

static void run_serial(load_run *run) {
    matmul_run m = matmul_init(run);
    load_begin(run);
    plain(m.c, m.a, m.b, m.n);
    load_end(run);
    matmul_account(run, &m);
}

VT_PROCEDURE_4(typed, double *, c, const double *, a, const double *, b, uint64_t, n) {
    if (n == MATMUL_LEAF) {
        matmul_leaf(c, a, b);
        return;
    }
    uint64_t q = n * n / 4;
    for (unsigned half = 0; half < 2; half++) {
        const double *upper = a + half * q, *lower = a + (2 + half) * q;
        const double *left = b + half * 2 * q, *right = b + (half * 2 + 1) * q;
        VT_FORK_4(typed, first, c, upper, left, n / 2);
        VT_FORK_4(typed, second, c + q, upper, right, n / 2);
        VT_FORK_4(typed, third, c + 2 * q, lower, left, n / 2);
        typed(c + 3 * q, lower, right, n / 2);
        VT_JOIN(typed, third);
        VT_JOIN(typed, second);
        VT_JOIN(typed, first);
    }
}

/* One product, as an argument. */
typedef struct product {
    double *c;
    const double *a, *b;
    uint64_t n;
} product;

static product quarter(const product *p, unsigned half, unsigned i) {
    uint64_t q = p->n * p->n / 4;
    return (product){p->c + i * q, p->a + (i / 2 * 2 + half) * q, p->b + (half * 2 + i % 2) * q, p->n / 2};
}

static int by_type(void *arg, task_value *result) {
    const product *p = arg;
    (void)result;
    typed(p->c, p->a, p->b, p->n);
    return 0;
}

static int by_function(void *arg, task_value *result) {
    const product *p = arg;
    if (p->n == MATMUL_LEAF) {
        matmul_leaf(p->c, p->a, p->b);
        return 0;
    }
    for (unsigned half = 0; half < 2; half++) {
        vt_child children[3];
        product quarters[4];
        for (unsigned i = 0; i < 4; i++) {
            quarters[i] = quarter(p, half, i);
            if (i < 3) {
                vt_fork(&children[i], by_function, &quarters[i]);
            }
        }
        (void)by_function(&quarters[3], result);
        for (unsigned i = 3; i-- > 0;) {
            inside_check(vt_join(&children[i], NULL), "vt_join");
        }
    }
    return 0;
}

static int by_task(void *arg, task_value *result) {
    const product *p = arg;
    if (p->n == MATMUL_LEAF) {
        matmul_leaf(p->c, p->a, p->b);
        return 0;
    }
    for (unsigned half = 0; half < 2; half++) {
        task *tasks[3];
        product quarters[4];
        for (unsigned i = 0; i < 4; i++) {
            quarters[i] = quarter(p, half, i);
            if (i < 3) {
                tasks[i] = inside_made(task_run(by_task, &quarters[i]));
            }
        }
        (void)by_task(&quarters[3], result);
        for (unsigned i = 3; i-- > 0;) {
            inside_check(task_join(tasks[i], NULL), "task_join");
        }
    }
    return 0;
}

static int measured(load_run *run, task_fn *fn, task_value *result) {
    matmul_run m = matmul_init(run);
    product all = {m.c, m.a, m.b, m.n};
    load_begin(run);
    int error = fn(&all, result);
    load_end(run);
    matmul_account(run, &m);
    return error;
}

static int typed_task(void *arg, task_value *result) { return measured(arg, by_type, result); }
static int function_task(void *arg, task_value *result) { return measured(arg, by_function, result); }
static int heap_task(void *arg, task_value *result) { return measured(arg, by_task, result); }

static void run_typed(load_run *run) { inside(run, typed_task); }
static void run_function(load_run *run) { inside(run, function_task); }
static void run_heap(load_run *run) { inside(run, heap_task); }

static const load_variant variants[] = {
    {"typed", run_typed}, {"serial", run_serial}, {"function", run_function}, {"heap", run_heap}};

LOAD_MAIN("matmul", "vtask", 1024, variants)
