/* integrate.h: what the program and its peers share: the area under (x * x + 1) * x from 0 to 10000, by trapezoids that are
 * halved until two of them differ from the whole one by no more than the tolerance: 1 / size. */
#ifndef BENCH_INTEGRATE_H
#define BENCH_INTEGRATE_H

#include <math.h>
#include <stdint.h>

#include "load.h"

#define INTEGRATE_TO 10000.0

typedef struct integrate_piece {
    double from, to;       /* x */
    double at_from, at_to; /* y */
    double area;           /* of the trapezoid */
} integrate_piece;

static double integrate_tolerance;

static inline double integrate_f(double x) { return (x * x + 1) * x; }

static inline integrate_piece integrate_piece_of(double from, double to, double at_from, double at_to) {
    integrate_piece p = {from, to, at_from, at_to, (at_from + at_to) * (to - from) / 2};
    return p;
}

static inline integrate_piece integrate_whole(const load_run *run) {
    integrate_tolerance = 1 / (double)run->size;
    return integrate_piece_of(0, INTEGRATE_TO, integrate_f(0), integrate_f(INTEGRATE_TO));
}

/* Halves it. Returns 0 if that was not worth it: *area is the result. */
static inline int integrate_halves(const integrate_piece *p, integrate_piece *left, integrate_piece *right, double *area) {
    double middle = (p->from + p->to) / 2, at_middle = integrate_f(middle);
    *left = integrate_piece_of(p->from, middle, p->at_from, at_middle);
    *right = integrate_piece_of(middle, p->to, at_middle, p->at_to);
    *area = left->area + right->area;
    return fabs(*area - p->area) > integrate_tolerance;
}

/* How often that is worth it. */
static inline uint64_t integrate_forks(integrate_piece p) {
    integrate_piece left, right;
    double area;
    return integrate_halves(&p, &left, &right, &area) ? 1 + integrate_forks(left) + integrate_forks(right) : 0;
}

/* Every one of the pieces that were not halved again is wrong by a third of the tolerance at the most. */
static inline void integrate_account(load_run *run, double area) {
    double exact = INTEGRATE_TO * INTEGRATE_TO * (INTEGRATE_TO * INTEGRATE_TO + 2) / 4;
    run->operations = integrate_forks(integrate_whole(run));
    run->expected = (uint64_t)exact;
    double bound = (double)(run->operations + 1) * integrate_tolerance / 3 + 1e-12 * exact; /* and the sums' rounding */
    run->result = fabs(area - exact) <= bound ? run->expected : (uint64_t)area;
}

#endif
