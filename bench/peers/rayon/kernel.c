/* kernel.c: what uts and matmul work, for Rust: the same code that the other programs have. Beside load/mod.rs. */
#include <stdint.h>

#include "load.h"
#include "matmul.h"
#include "uts.h"

/* Returns how many nodes the tree has that is to be walked. */
uint64_t kernel_uts_plant(uint64_t size, uts_node *root) {
    load_run run = {.size = size};
    uts_pick(&run);
    *root = uts_root();
    return run.expected;
}

uint32_t kernel_uts_count(const uts_node *n) { return uts_count(n); }

void kernel_uts_child(const uts_node *parent, uint32_t i, uts_node *child) { *child = uts_child(parent, i); }

void kernel_matmul_init(uint64_t size, matmul_run *m) {
    load_run run = {.size = size};
    *m = matmul_init(&run);
}

void kernel_matmul_leaf(double *c, const double *a, const double *b) { matmul_leaf(c, a, b); }

/* Returns how many rows are right. */
uint64_t kernel_matmul_check(matmul_run *m) {
    load_run run = {.size = m->n};
    matmul_account(&run, m);
    return run.result;
}
