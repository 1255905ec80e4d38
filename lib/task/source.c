/* task/source.c: a completion that is used again and again: two words of the caller's.
 *
 *   word      task/claim.h: tickets out, awaits under way
 *   uses      counts resets; a value-task keeps its lower bits, to tell a void ticket from a spent one
 *   waiters   task/waitlist.h: open, a list, or CLOSED: complete
 *   value, error: written under the list's lock by whoever completes; read by awaiters until they end their await, or take
 *             their ticket ([K1] in task/claim.h), which tells them whether what they read was of this use
 *
 * A reset voids all tickets and blocks new ones (one CAS, which fails while an await is under way), then opens the list,
 * then lets the next use begin. So nobody meets the old outcome in the new use.
 * Lifetime: who completes touches the source no more once it is CLOSED, except through awaits that are under way, and
 * while one is the source cannot be reset or ended.
 */
#include "task/source.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "os/event.h"
#include "sched/pool.h"
#include "task/task.h"

/* Sources that were made. Each begins at a number of its own, far from those of the others: what is left of an earlier one in
 * the same storage does not fit. */
static atomic_u64 a_made;
enum { FAR = 0x9e3779 }; /* odd */

void vt_source_init_at(vt_source *s, const char *where) {
    if (s != NULL) {
        uint64_t number = (add_rlx(&a_made, (uint64_t)1) + 1) * FAR; /* only the numbers matter */
        memset(s, 0, sizeof *s);
        store_rlx(&s->word, number * CLAIM_GENERATION_ONE); /* whoever is handed the source gets it by that edge */
        s->uses = (uint32_t)number;
        s->where = where;
        store_rlx(&s->magic, SOURCE_MAGIC);
    }
}

struct outcome {
    vt_source *source;
    task_value value;
    int error;
};

/* By relaxed words: an await that comes late may look, and then finds that its ticket is void. CLOSED carries them. */
static void write_outcome(void *context) {
    const struct outcome *o = context;
    store_rlx(&o->source->value.u64, o->value.u64);
    store_rlx(&o->source->error, o->error);
}

static int complete(vt_source *s, int error, task_value v) {
    struct outcome o = {s, v, error};
    return vti_waitlist_try_close(&s->waiters, write_outcome, &o) ? 0 : EALREADY;
}

int vt_source_set_value(vt_source *s, task_value v) { return vti_source_is_good(s) ? complete(s, 0, v) : EINVAL; }

int vt_source_set_error(vt_source *s, int error) {
    return vti_source_is_good(s) && error != 0 ? complete(s, error, (task_value){.u64 = 0}) : EINVAL;
}

static HOT int reset(vt_source *s) {
    if (!vti_source_is_good(s)) {
        return EINVAL;
    }
    if (!claim_reset_begin(&s->word)) {
        return EBUSY;
    }
    store_rlx(&s->uses, load_rlx(&s->uses) + 1); /* the claim word carries it */
    store_rel(&s->waiters, NULL);
    claim_reset_end(&s->word);
    return 0;
}

static COLD int reset_with_edges(vt_source *s) { return reset(s); }
int vt_source_reset(vt_source *s) { return edge_is_watched() ? reset_with_edges(s) : reset(s); }

int vt_source_fini(vt_source *s) {
    int error = vt_source_reset(s);
    if (error == 0) {
        store_rlx(&s->magic, (uint64_t)0);
    }
    return error;
}

int vti_source_wait(vt_source *s) {
    if (vti_spin_until_closed(&s->waiters)) {
        return 0;
    }
    int error = vti_block_begin();
    if (error == 0) {
        vti_waitlist_wait(&s->waiters);
        vti_block_end();
    }
    return error;
}

struct bridge {
    struct waiter waiter;
    vt_source *source;
    task *task; /* one reference of the bridge's, one of whoever gets it */
};

static void cross(struct bridge *b) {
    task_value value;
    int error = vti_source_outcome(b->source, &value);
    claim_end(&b->source->word); /* the source is the owner's again */
    (void)vti_task_end(b->task, error, value);
    task_release(b->task);
    vti_free(b);
}

static void fire(struct waiter *w) { cross(container_of(w, struct bridge, waiter)); }

struct bridge *vti_bridge_new(const char *where) {
    struct bridge *b = vti_alloc(sizeof *b);
    task *t = b != NULL ? vti_task_new(where) : NULL;
    if (t == NULL) {
        vti_free(b);
        return NULL;
    }
    *b = (struct bridge){{NULL, NULL, fire}, NULL, task_retain(t)};
    return b;
}

task *vti_bridge_start(struct bridge *b, vt_source *s) {
    task *t = b->task;
    b->source = s;
    if (!vti_waitlist_add(&s->waiters, &b->waiter)) {
        cross(b);
    }
    return t;
}

void vti_bridge_drop(struct bridge *b) {
    if (b != NULL) {
        task_release(b->task);
        task_release(b->task);
        vti_free(b);
    }
}
