/* task/fork.c: the public fork and join: sched/child.c's, with words for a misuse. */
#include <errno.h>
#include <vtask/typed.h>

#include "base/sanitizer.h"
#include "sched/child.h"
#include "sched/worker.h"
#include "task/misuse.h"

/* The codes' own texts speak of value-tasks. */
static const char *words_of(int code) {
    switch (code) {
    case VT_E_EMPTY:
        return "the child was never forked";
    case VT_E_REPEATED:
        return "the child was joined already";
    case VT_E_CORRUPT:
        return "this is no forked child: it was never forked, was overwritten, or its frame is gone";
    default:
        return NULL;
    }
}

static int refuse(int code, const char *call, const char *where, const char *first) {
    struct misuse m = {.code = code, .call = call, .where = where, .first_where = first, .words = words_of(code)};
    vti_misuse_report(&m);
    return code;
}

void vt_child_fork(vt_child *c, task_fn *fn, void *arg, const char *where) {
    if (c == NULL) {
        (void)refuse(EINVAL, "vt_fork", where, NULL);
        return;
    }
    vti_child_fork(c, fn, arg, where);
}

int vt_child_join(vt_child *c, task_value *result, const char *where) {
    const char *first = NULL;
    int error = 0;
    if (c == NULL) {
        return refuse(EINVAL, "vt_join", where, NULL);
    }
    int refused = vti_child_join(c, result, &error, where, &first);
    if (refused == 0 || refused == VTASK_E_FORKED) { /* fork() was no misuse of the child's */
        return refused == 0 ? error : refused;
    }
    return refuse(refused, "vt_join", where, first);
}

void vt_fork_at(vt_child *c, task_fn *fn, void *arg, const char *where) {
    if (vtask_worker_v1 != NULL) {
        edge_release(&vtask_worker_v1->bottom); /* here no instrumentation sees the push */
    }
    vtask_fork(c, fn, arg, where);
}

int vt_join_at(vt_child *c, task_value *result, const char *where) { return vtask_join(c, result, where); }

void vt_child_forgotten(const vt_child *c) {
    if (c != NULL && !vti_self.forked) {
        struct misuse m = {.code = EINVAL,
                           .call = "VT_FORK",
                           .where = c->where,
                           .words = "the child was not joined when its scope ended: it is joined there"};
        vti_misuse_report(&m);
    }
}
