/* uts: Unbalanced Tree Search: counts the nodes of a tree of which nothing is known before; one child for each node.
 * Size: which tree; 1: T1, 2: T1's first 8 levels, 3: T3, 4: T3L, 5: T1's first 6 levels. */
#include <stdint.h>

#include <vtask.h>

#include "inside.h"
#include "load.h"
#include "uts.h"

static uint64_t plain(const uts_node *n) {
    uint64_t nodes = 1;
    for (unsigned i = 0, count = uts_count(n); i < count; i++) {
        uts_node child = uts_child(n, i);
        nodes += plain(&child);
    }
    return nodes;
}

static void run_serial(load_run *run) {
    uts_node root = uts_plant(run);
    load_begin(run);
    run->result = plain(&root);
    load_end(run);
}

static uint64_t siblings(const uts_node *parent, unsigned i, unsigned count);

VT_FUNCTION_1(uint64_t, typed, uts_node, n) { return 1 + siblings(&n, 0, uts_count(&n)); }

/* As many forks as there are children left: each has a frame of its own to live in. */
static uint64_t siblings(const uts_node *parent, unsigned i, unsigned count) {
    if (i == count) {
        return 0;
    }
    VT_FORK_1(typed, child, uts_child(parent, i));
    uint64_t nodes = siblings(parent, i + 1, count);
    return nodes + VT_JOIN(typed, child);
}

static int by_type(void *arg, task_value *result) {
    result->u64 = typed(*(const uts_node *)arg);
    return 0;
}

static int by_function(void *arg, task_value *result) {
    const uts_node *n = arg;
    unsigned count = uts_count(n);
    uint64_t nodes = 1;
    vt_child children[count + 1];
    uts_node below[count + 1];
    for (unsigned i = 0; i < count; i++) {
        below[i] = uts_child(n, i);
        vt_fork(&children[i], by_function, &below[i]);
    }
    while (count-- > 0) {
        task_value value;
        inside_check(vt_join(&children[count], &value), "vt_join");
        nodes += value.u64;
    }
    result->u64 = nodes;
    return 0;
}

static int by_task(void *arg, task_value *result) {
    const uts_node *n = arg;
    unsigned count = uts_count(n);
    uint64_t nodes = 1;
    task *tasks[count + 1];
    uts_node below[count + 1];
    for (unsigned i = 0; i < count; i++) {
        below[i] = uts_child(n, i);
        tasks[i] = inside_made(task_run(by_task, &below[i]));
    }
    while (count-- > 0) {
        task_value value;
        inside_check(task_join(tasks[count], &value), "task_join");
        nodes += value.u64;
    }
    result->u64 = nodes;
    return 0;
}

static void measured(load_run *run, task_fn *fn) {
    task_value nodes;
    uts_node root = uts_plant(run);
    load_begin(run);
    inside_check(fn(&root, &nodes), "the tree");
    load_end(run);
    run->result = nodes.u64;
}

#define UTS_TASK(name, fn)                                  \
    static int name##_task(void *arg, task_value *result) { \
        (void)result;                                       \
        measured(arg, fn);                                  \
        return 0;                                           \
    }                                                       \
    static void run_##name(load_run *run) { inside_deep(run, name##_task, UTS_STACK); }

UTS_TASK(typed, by_type)
UTS_TASK(function, by_function)
UTS_TASK(heap, by_task)

static const load_variant variants[] = {
    {"typed", run_typed}, {"serial", run_serial}, {"function", run_function}, {"heap", run_heap}};

LOAD_MAIN("uts", "vtask", 1, variants)
