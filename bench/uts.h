/* uts.h: Unbalanced Tree Search, what the program and its peers share: the published trees, a node and its children.
 *
 * A node is a SHA-1 digest of five words. The root's is that of 16 zero bytes and the seed; that of child i is the digest
 * of its parent's and of i. Words go in as big-endian, so nothing is turned round here. The last word's low 31 bits are the
 * node's random number, and decide how many children it has: in a binomial tree, m with the probability q, else none; in a
 * geometric one, so many that b are to be expected, and none below the last level. Nothing is known of a subtree before it
 * has been walked: the load is as uneven as can be.
 */
#ifndef BENCH_UTS_H
#define BENCH_UTS_H

#include <math.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

#define UTS_STACK (512u << 20) /* T3L is 17,844 levels deep */
#define UTS_MOST 100u          /* a node has no more children, but for a binomial root */

typedef struct uts_tree {
    const char *name;
    double root;     /* b: how many children the root of a binomial tree has, and those that a geometric node expects */
    unsigned levels; /* d, geometric; 0: binomial */
    unsigned many;   /* m */
    double chance;   /* q */
    uint32_t seed;
    uint64_t nodes; /* published, but for T1's first levels: counted by `serial` and, apart from it, with Python's hashlib */
} uts_tree;

typedef struct uts_node {
    uint32_t digest[5], level;
} uts_node;

static uts_tree uts;         /* the one of this run */
static double uts_log_spare; /* of it, geometric: log(1 - p), where p = 1 / (1 + b) */

static inline uint32_t uts_left(uint32_t x, unsigned n) { return (x << n) | (x >> (32 - n)); }

/* One step of SHA-1, and five, after which every variable is in its place again. */
#define UTS_STEP(mix, constant, a, b, c, d, e, word)            \
    (e) += uts_left(a, 5) + mix(b, c, d) + (constant) + (word); \
    (b) = uts_left(b, 30)
#define UTS_STEPS(mix, constant, w)                 \
    UTS_STEP(mix, constant, a, b, c, d, e, (w)[0]); \
    UTS_STEP(mix, constant, e, a, b, c, d, (w)[1]); \
    UTS_STEP(mix, constant, d, e, a, b, c, (w)[2]); \
    UTS_STEP(mix, constant, c, d, e, a, b, (w)[3]); \
    UTS_STEP(mix, constant, b, c, d, e, a, (w)[4])
#define UTS_CHOOSE(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define UTS_PARITY(x, y, z) ((x) ^ (y) ^ (z))
#define UTS_MAJORITY(x, y, z) (((x) & (y)) | ((z) & ((x) | (y))))

/* The digest of one block, w[0] to w[15]. */
static inline void uts_sha1(uint32_t w[80], uint32_t digest[5]) {
    uint32_t a = 0x67452301u, b = 0xefcdab89u, c = 0x98badcfeu, d = 0x10325476u, e = 0xc3d2e1f0u;
    unsigned t;
    for (t = 16; t < 80; t++) {
        uint32_t x = w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16];
        __asm__("" : "+r"(x)); /* alone: as a vector it takes twice as long */
        w[t] = uts_left(x, 1);
    }
    for (t = 0; t < 20; t += 5) {
        UTS_STEPS(UTS_CHOOSE, 0x5a827999u, &w[t]);
    }
    for (; t < 40; t += 5) {
        UTS_STEPS(UTS_PARITY, 0x6ed9eba1u, &w[t]);
    }
    for (; t < 60; t += 5) {
        UTS_STEPS(UTS_MAJORITY, 0x8f1bbcdcu, &w[t]);
    }
    for (; t < 80; t += 5) {
        UTS_STEPS(UTS_PARITY, 0xca62c1d6u, &w[t]);
    }
    digest[0] = 0x67452301u + a, digest[1] = 0xefcdab89u + b, digest[2] = 0x98badcfeu + c;
    digest[3] = 0x10325476u + d, digest[4] = 0xc3d2e1f0u + e;
}

static inline uts_node uts_root(void) {
    uint32_t block[80] = {0, 0, 0, 0, uts.seed, 0x80000000u};
    uts_node root = {{0, 0, 0, 0, 0}, 0};
    block[15] = 20 * 8;
    uts_sha1(block, root.digest);
    return root;
}

static inline uts_node uts_child(const uts_node *parent, unsigned i) {
    uint32_t block[80];
    uts_node child;
    memcpy(block, parent->digest, sizeof parent->digest);
    block[5] = i, block[6] = 0x80000000u;
    memset(&block[7], 0, 8 * sizeof block[0]);
    block[15] = 24 * 8;
    uts_sha1(block, child.digest);
    child.level = parent->level + 1;
    return child;
}

/* How many children the node has. */
static inline unsigned uts_count(const uts_node *n) {
    double random = (double)(n->digest[4] & 0x7fffffffu) / 2147483648.0;
    if (uts.levels == 0) {
        return n->level == 0 ? (unsigned)uts.root : random < uts.chance ? uts.many : 0;
    }
    if (n->level >= uts.levels) {
        return 0;
    }
    double count = floor(log(1 - random) / uts_log_spare);
    return count < UTS_MOST ? (unsigned)count : UTS_MOST;
}

/* Starts the program again, once, with a stack that is deep enough, also for threads that are made without a size. */
static inline void uts_deepen(const load_run *run) {
    struct rlimit limit;
    char workers[24], size[24];
    if (getenv("UTS_DEEP") != NULL || getrlimit(RLIMIT_STACK, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < UTS_STACK ? limit.rlim_max : UTS_STACK;
    if (setrlimit(RLIMIT_STACK, &limit) != 0) {
        load_fail("uts: no stack of %u bytes", UTS_STACK);
    }
    snprintf(workers, sizeof workers, "%u", run->workers);
    snprintf(size, sizeof size, "%llu", (unsigned long long)run->size);
    setenv("UTS_DEEP", "1", 1);
    setenv("OMP_STACKSIZE", "512M", 1);
    execl("/proc/self/exe", "bench-uts", "--variant", run->variant, "--workers", workers, "--size", size, (char *)NULL);
    load_fail("uts: cannot start again");
}

/* Picks the tree that run->size stands for. */
static inline void uts_pick(load_run *run) {
    static const uts_tree trees[] = {
        {"T1", 4, 10, 0, 0, 19, 4130071},
        {"T1's first 8 levels", 4, 8, 0, 0, 19, 257042},
        {"T3", 2000, 0, 8, 0.124875, 42, 4112897},
        {"T3L", 2000, 0, 5, 0.200014, 7, 111345631},
        {"T1's first 6 levels", 4, 6, 0, 0, 19, 16000},
    };
    if (run->size > sizeof trees / sizeof trees[0]) {
        load_fail("uts: the sizes are 1 (T1), 2 (its first 8 levels), 3 (T3), 4 (T3L), 5 (T1, 6 levels)");
    }
    uts = trees[run->size - 1];
    uts_log_spare = log(1 - 1 / (1 + uts.root));
    run->expected = uts.nodes;
    run->operations = uts.nodes;
}

static inline uts_node uts_plant(load_run *run) {
    uts_pick(run);
    if (uts.levels == 0) {
        uts_deepen(run);
    }
    return uts_root();
}

#endif
