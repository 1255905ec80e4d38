/* queens.h: what the program and its peers share: one placement, and how many there are. */
#ifndef BENCH_QUEENS_H
#define BENCH_QUEENS_H

#include <stdint.h>

enum { QUEENS_MOST = 16 };

/* Rows are filled one after another; a bit is a column that is taken, straight or along a diagonal. */
typedef struct queens_board {
    uint32_t all, columns, left, right; /* all: as many ones as there are columns */
} queens_board;

static inline uint32_t queens_free(const queens_board *b) { return b->all & ~(b->columns | b->left | b->right); }

static inline queens_board queens_put(const queens_board *b, uint32_t column) {
    queens_board next = {b->all, b->columns | column, (b->left | column) << 1, (b->right | column) >> 1};
    return next;
}

static inline uint64_t queens_expected(uint64_t n) {
    static const uint64_t known[QUEENS_MOST + 1] = {1,   1,   0,    0,     2,     10,     4,       40,      92,
                                                    352, 724, 2680, 14200, 73712, 365596, 2279184, 14772512};
    return n <= QUEENS_MOST ? known[n] : 0;
}

static inline queens_board queens_empty(uint64_t n) {
    queens_board b = {(uint32_t)((1u << n) - 1), 0, 0, 0};
    return b;
}

#endif
