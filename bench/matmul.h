/* matmul.h: what the program and its peers share: square matrices in quarters, the product of two leaves, the check.
 *
 * A matrix is four quarters, one after another, each of them the same again, down to leaves that are stored row by row: a
 * quarter is a pointer, and the leaves of one product do not fight for the same lines of the cache. Every element is a
 * small whole number, so that all sums are exact, and the product is checked row by row against a vector.
 */
#ifndef BENCH_MATMUL_H
#define BENCH_MATMUL_H

#include <stdint.h>

#include "load.h"

enum { MATMUL_LEAF = 32 };

typedef struct matmul_run {
    uint64_t n;
    double *a, *b, *c; /* c = a * b */
} matmul_run;

/* c += a * b. One body for all, laid out alike. */
__attribute__((noinline, unused)) static void matmul_leaf(double *__restrict c, const double *__restrict a,
                                                          const double *__restrict b) {
    for (int i = 0; i < MATMUL_LEAF; i++) {
        for (int k = 0; k < MATMUL_LEAF; k++) {
            double x = a[i * MATMUL_LEAF + k];
            for (int j = 0; j < MATMUL_LEAF; j++) {
                c[i * MATMUL_LEAF + j] += x * b[k * MATMUL_LEAF + j];
            }
        }
    }
}

static inline double *matmul_at(double *m, uint64_t n, uint64_t row, uint64_t column) {
    while (n > MATMUL_LEAF) {
        n /= 2;
        m += (row / n * 2 + column / n) * n * n;
        row %= n, column %= n;
    }
    return m + row * MATMUL_LEAF + column;
}

/* Zeros, as aligned as a line of the cache. */
static inline double *matmul_zeros(uint64_t n) {
    double *m = (double *)aligned_alloc(64, n * n * sizeof *m);
    if (m == NULL) {
        load_fail("out of memory");
    }
    memset(m, 0, n * n * sizeof *m);
    return m;
}

static inline double *matmul_make(uint64_t n, unsigned by_row, unsigned by_column) {
    double *m = matmul_zeros(n);
    for (uint64_t row = 0; row < n; row++) {
        for (uint64_t column = 0; column < n; column++) {
            *matmul_at(m, n, row, column) = (double)((row * by_row + column * by_column) % 7) - 3;
        }
    }
    return m;
}

static inline matmul_run matmul_init(const load_run *run) {
    uint64_t n = run->size;
    if (n < MATMUL_LEAF || (n & (n - 1)) != 0) {
        load_fail("matmul: the size is a power of two, %d or more", MATMUL_LEAF);
    }
    matmul_run m = {n, matmul_make(n, 3, 5), matmul_make(n, 2, 1), matmul_zeros(n)};
    return m;
}

/* y = m * x */
static inline void matmul_apply(double *m, uint64_t n, const double *x, double *y) {
    for (uint64_t row = 0; row < n; row++) {
        y[row] = 0;
        for (uint64_t column = 0; column < n; column++) {
            y[row] += *matmul_at(m, n, row, column) * x[column];
        }
    }
}

/* Checks c * x against a * (b * x): the result is how many rows agree. Frees the matrices. */
static inline void matmul_account(load_run *run, matmul_run *m) {
    uint64_t n = m->n, leaves = n / MATMUL_LEAF;
    double *x = (double *)load_alloc(n, sizeof *x), *bx = (double *)load_alloc(n, sizeof *x);
    double *abx = (double *)load_alloc(n, sizeof *x), *cx = (double *)load_alloc(n, sizeof *x);
    for (uint64_t i = 0; i < n; i++) {
        x[i] = (double)(i * i % 11) + 1;
    }
    matmul_apply(m->b, n, x, bx);
    matmul_apply(m->a, n, bx, abx);
    matmul_apply(m->c, n, x, cx);
    for (uint64_t i = 0; i < n; i++) {
        run->result += abx[i] == cx[i];
    }
    run->expected = n;
    run->operations = leaves * leaves * leaves;
    free(x), free(bx), free(abx), free(cx), free(m->a), free(m->b), free(m->c);
}

#endif
