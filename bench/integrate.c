/* integrate: recursive adaptive integration; one child for each left half. Size: one over the tolerance. */
#include <stdint.h>

#include <vtask.h>

#include "inside.h"
#include "integrate.h"
#include "load.h"

static double plain(integrate_piece p) {
    integrate_piece left, right;
    double area;
    return integrate_halves(&p, &left, &right, &area) ? plain(left) + plain(right) : area;
}

static void run_serial(load_run *run) {
    integrate_piece whole = integrate_whole(run);
    load_begin(run);
    double area = plain(whole);
    load_end(run);
    integrate_account(run, area);
}

VT_FUNCTION_1(double, typed, integrate_piece, p) {
    integrate_piece left, right;
    double area;
    if (!integrate_halves(&p, &left, &right, &area)) {
        return area;
    }
    VT_FORK_1(typed, child, left);
    area = typed(right);
    return VT_JOIN(typed, child) + area;
}

static int by_type(void *arg, task_value *result) {
    result->f64 = typed(*(const integrate_piece *)arg);
    return 0;
}

static int by_function(void *arg, task_value *result) {
    integrate_piece left, right;
    if (!integrate_halves(arg, &left, &right, &result->f64)) {
        return 0;
    }
    vt_child child;
    task_value left_area, right_area;
    vt_fork(&child, by_function, &left);
    (void)by_function(&right, &right_area);
    inside_check(vt_join(&child, &left_area), "vt_join");
    result->f64 = left_area.f64 + right_area.f64;
    return 0;
}

static int by_task(void *arg, task_value *result) {
    integrate_piece left, right;
    if (!integrate_halves(arg, &left, &right, &result->f64)) {
        return 0;
    }
    task_value left_area, right_area;
    task *t = inside_made(task_run(by_task, &left));
    (void)by_task(&right, &right_area);
    inside_check(task_join(t, &left_area), "task_join");
    result->f64 = left_area.f64 + right_area.f64;
    return 0;
}

static int measured(load_run *run, task_fn *fn) {
    integrate_piece whole = integrate_whole(run);
    task_value area;
    load_begin(run);
    int error = fn(&whole, &area);
    load_end(run);
    integrate_account(run, area.f64);
    return error;
}

#define INTEGRATE_TASK(name, fn)                            \
    static int name##_task(void *arg, task_value *result) { \
        (void)result;                                       \
        return measured(arg, fn);                           \
    }                                                       \
    static void run_##name(load_run *run) { inside(run, name##_task); }

INTEGRATE_TASK(typed, by_type)
INTEGRATE_TASK(function, by_function)
INTEGRATE_TASK(heap, by_task)

static const load_variant variants[] = {
    {"typed", run_typed}, {"serial", run_serial}, {"function", run_function}, {"heap", run_heap}};

LOAD_MAIN("integrate", "vtask", 1000000, variants)
