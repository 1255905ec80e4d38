/* task/vt.c: value-tasks: made, awaited, converted, discarded; every misuse found and reported.
 *
 * Two words decide, in this order: the struct's own (task/word.h), which catches whoever comes to the same struct, and
 * the ticket in the task's or source's claim word (task/claim.h), which catches copies. Both are claimed by a CAS before
 * anything is waited for, so a loser never disturbs the winner.
 */
#include <errno.h>
#include <stddef.h>
#include <vtask/vt.h>

#include "base/options.h"
#include "task/checked.h"
#include "task/claim.h"
#include "task/misuse.h"
#include "task/source.h"
#include "task/task.h"
#include "task/word.h"

_Static_assert(sizeof(vt) == 16, "a value-task is two words");
_Static_assert(((uint64_t)VT_READY | (uint64_t)VT_VALUE << 8 | WORD_TAG) == VTASK_READY_VALUE,
               "what inlined code knows");
_Static_assert(((uint64_t)VT_AWAITING | WORD_TAG) == VTASK_AWAITED_VALUE, "what inlined code does");
_Static_assert(((uint64_t)VT_CONSUMED | WORD_KNOWN | WORD_TAG) == VTASK_CONSUMED_VALUE, "what inlined code does");

/* The payload of a PENDING one: the ticket; above it, over a source, which use it belongs to. */
#define TICKET_MASK (((uint64_t)1 << CLAIM_TICKET_BITS) - 1)
#define USE_MASK (((uint64_t)1 << (48 - CLAIM_TICKET_BITS)) - 1)

/* A call that consumes a value-task. */
struct use {
    const char *call, *where;
    uint64_t who; /* vti_who() */
};

static uint64_t site(struct use u) { return (uint64_t)(uintptr_t)u.where & (((uint64_t)1 << 48) - 1); }
static const char *site_of(uint64_t word) { return (const char *)(uintptr_t)word_payload(word); }

/* --- making --- */

static vt make(enum vt_state state, enum vt_kind kind, uint64_t payload, task_value value) {
    return (vt){word_make(state, kind, payload), value};
}

uint32_t vtask_checked_v1;

vt(vt_from_value)(task_value v) {
    bool checked = vti_options().checked;
    store_rlx(&vtask_checked_v1, checked ? 0 : VTASK_UNCHECKED); /* the word is all there is: nothing is carried */
    uint64_t ticket = UNLIKELY(checked) ? vti_checked_issue() : 0;
    vt made = make(VT_READY, VT_VALUE, ticket, v);
    made.word |= ticket != 0 ? WORD_CHECKED : 0;
    return made;
}

vt vt_from_error(int error) {
    error = error != 0 ? error : EINVAL;
    uint64_t ticket = UNLIKELY(vti_options().checked) ? vti_checked_issue() : 0;
    if (ticket == 0) {
        return make(VT_READY, VT_ERROR, (uint32_t)error, (task_value){.u64 = 0});
    }
    vt made = make(VT_READY, VT_ERROR, ticket, (task_value){.u64 = (uint32_t)error});
    made.word |= WORD_CHECKED;
    return made;
}

vt vt_from_task(task *t) {
    claim_ticket ticket;
    if (t == NULL) {
        return vt_from_error(errno);
    }
    if (claim_issue(&t->a_claims, &t->a_ticket, &ticket) != CLAIM_TAKEN) {
        return vt_from_error(VTASK_E_OVERFLOW);
    }
    return make(VT_PENDING, VT_TASK, ticket, (task_value){.ptr = t});
}

/* Which use of the source it is, as far as a value-task can keep it. */
static uint64_t use_of(const vt_source *s) { return load_rlx(&s->uses) & USE_MASK; } /* carried by the claim word */

static HOT vt from_source(vt_source *s) {
    claim_ticket ticket;
    if (!vti_source_is_good(s)) {
        return vt_from_error(EINVAL);
    }
    if (claim_issue(&s->word, &s->next, &ticket) != CLAIM_TAKEN) {
        return vt_from_error(VTASK_E_OVERFLOW);
    }
    return make(VT_PENDING, VT_SOURCE, ticket | use_of(s) << CLAIM_TICKET_BITS, (task_value){.ptr = s});
}

static COLD vt from_source_with_edges(vt_source *s) { return from_source(s); }
vt vt_from_source(vt_source *s) { return edge_is_watched() ? from_source_with_edges(s) : from_source(s); }

/* --- what is behind a pending one --- */

/* A pending value-task's other side, read while the caller has the struct's word. */
struct behind {
    enum vt_kind kind;
    claim_ticket ticket;
    uint64_t use;
    task *task;
    vt_source *source;
    atomic_u64 *a_claims;
};

static inline struct behind behind_of(uint64_t word, uint64_t value) {
    uint64_t payload = word_payload(word);
    struct behind b = {.kind = word_kind(word), .ticket = payload & TICKET_MASK, .use = payload >> CLAIM_TICKET_BITS};
    void *object = (void *)(uintptr_t)value;
    if (b.kind == VT_TASK) {
        b.task = object;
        b.a_claims = &b.task->a_claims;
    } else {
        b.source = object;
        b.a_claims = &b.source->word;
    }
    return b;
}

static inline bool is_complete(struct behind b) {
    return waitlist_is_closed(b.kind == VT_TASK ? &b.task->waiters : &b.source->waiters);
}

static int wait_for(struct behind b, const char *where) {
    return b.kind == VT_TASK ? vti_task_wait(b.task, where) : vti_source_wait(b.source);
}

static int outcome_of(struct behind b, task_value *value) {
    if (b.kind == VT_SOURCE) {
        return vti_source_outcome(b.source, value);
    }
    *value = b.task->value;
    return b.task->error;
}

/* --- refusing --- */

static int code_of_state(uint64_t word) {
    if (word == 0) {
        return VT_E_EMPTY;
    }
    if (!word_is_valid(word)) {
        return VT_E_CORRUPT;
    }
    switch (word_state(word)) {
    case VT_AWAITING:
        return VT_E_CONCURRENT;
    case VT_CONVERTED:
        return VT_E_CONVERTED;
    case VT_DISCARDED:
        return VT_E_DISCARDED;
    default:
        return VT_E_REPEATED;
    }
}

/* The struct's own word was spent: everything that is known stands in the struct. */
static COLD int refuse_word(const vt *v, uint64_t word, struct use u) {
    struct misuse m = {.code = code_of_state(word), .call = u.call, .where = u.where};
    if (m.code != VT_E_EMPTY && m.code != VT_E_CORRUPT) {
        m.first_where = site_of(word);
        m.first = (word & WORD_KNOWN) != 0 ? load_rlx(&v->value.u64) : 0; /* [V1] */
        if (load_acq(&v->word) != word) {
            m.first = 0; /* it was put back meanwhile, and `value` with it */
        }
    }
    vti_misuse_report(&m);
    return m.code;
}

static int code_of_claim(enum claim_result result, struct behind b) {
    if (result == CLAIM_GENERATION) {
        return b.kind == VT_SOURCE && b.use != use_of(b.source) ? VT_E_STALE : VT_E_REPEATED;
    }
    return result == CLAIM_BUSY ? VT_E_CONCURRENT : VT_E_REPEATED;
}

/* A copy was spent, or its source reset. */
static COLD int refuse_copy(enum claim_result result, struct behind b, struct use u) {
    struct misuse m = {.code = code_of_claim(result, b),
                       .call = u.call,
                       .where = u.where,
                       .origin = b.kind == VT_SOURCE ? b.source->where : NULL}; /* the task may be another by now */
    vti_misuse_report(&m);
    return m.code;
}

static COLD int refuse_null(struct use u) {
    struct misuse m = {.code = EINVAL, .call = u.call, .where = u.where};
    vti_misuse_report(&m);
    return EINVAL;
}

/* --- consuming --- */

/* The claimer writes who it is, and with that gives the struct back to whoever looks. */
static inline void tell(vt *v, enum vt_state state, enum vt_kind kind, struct use u) {
    store_rel(&v->value.u64, u.who); /* [V2] */
    word_tell(&v->word, state, kind, site(u));
}

/* A READY one's outcome; `value` as it was before the claim. False: a copy was spent before. */
static bool ready_outcome(uint64_t word, uint64_t value, int *error, task_value *result) {
    bool checked = (word & WORD_CHECKED) != 0;
    if (checked && !vti_checked_spend(word_payload(word))) {
        return false;
    }
    *error = word_kind(word) == VT_VALUE ? 0 : (int)(uint32_t)(checked ? value : word_payload(word));
    if (*error == 0 && result != NULL) {
        result->u64 = value;
    }
    return true;
}

static COLD int refuse_ready_copy(struct use u) {
    struct misuse m = {.code = VT_E_REPEATED, .call = u.call, .where = u.where};
    vti_misuse_report(&m);
    return m.code;
}

static int await_ready(vt *v, uint64_t word, task_value *result, struct use u) {
    int error = 0;
    bool good = ready_outcome(word, load_rlx(&v->value.u64), &error, result); /* the caller's alone */
    tell(v, VT_CONSUMED, word_kind(word), u);
    return good ? error : refuse_ready_copy(u);
}

/* The wait failed: the value-task is unspent again. With 32 others out meanwhile it cannot be, and is discarded. */
static void put_back(vt *v, struct behind b, struct use u) {
    atomic_u32 *a_hint = b.kind == VT_TASK ? &b.task->a_ticket : &b.source->next;
    if (claim_restore(b.a_claims, a_hint, &b.ticket) != CLAIM_TAKEN) {
        tell(v, VT_DISCARDED, b.kind, u);
        task_release(b.task);
        return;
    }
    /* the word's release below carries it */
    store_rlx(&v->value.u64, (uint64_t)(uintptr_t)(b.kind == VT_TASK ? (void *)b.task : (void *)b.source));
    store_rel(&v->word, word_make(VT_PENDING, b.kind, b.ticket | b.use << CLAIM_TICKET_BITS)); /* carries the value */
}

static int give(int error, task_value value, task_value *result) {
    if (error == 0 && result != NULL) {
        *result = value;
    }
    return error;
}

/* It is complete, so there is no await that could be under way: the ticket is all there is to take. The ticket keeps a
 * source from being reset, so its outcome is read before; with the ticket a task's reference is the caller's. */
static HOT int await_complete(vt *v, struct behind b, task_value *result, struct use u) {
    task_value value = {.u64 = 0};
    int error = b.kind == VT_SOURCE ? vti_source_outcome(b.source, &value) : 0;
    enum claim_result claimed = claim_take(b.a_claims, b.ticket, 0); /* [K1] */
    tell(v, VT_CONSUMED, b.kind, u);
    if (claimed != CLAIM_TAKEN) {
        return refuse_copy(claimed, b, u);
    }
    if (b.kind == VT_TASK) {
        error = outcome_of(b, &value);
        task_release(b.task);
    }
    return give(error, value, result);
}

static __attribute__((noinline)) int await_incomplete(vt *v, struct behind b, task_value *result, struct use u) {
    enum claim_result claimed = claim_take(b.a_claims, b.ticket, CLAIM_AWAITING_ONE);
    if (claimed != CLAIM_TAKEN) {
        tell(v, VT_CONSUMED, b.kind, u);
        return refuse_copy(claimed, b, u);
    }
    tell(v, VT_AWAITING, b.kind, u);
    int error = wait_for(b, u.where);
    if (error != 0) {
        put_back(v, b, u);
        return error;
    }
    task_value value;
    error = outcome_of(b, &value);
    tell(v, VT_CONSUMED, b.kind, u);
    claim_end(b.a_claims);
    task_release(b.task);
    return give(error, value, result);
}

static HOT int await_pending(vt *v, uint64_t word, task_value *result, struct use u) {
    struct behind b = behind_of(word, load_rlx(&v->value.u64)); /* the caller's alone */
    return is_complete(b) ? await_complete(v, b, result, u) : await_incomplete(v, b, result, u);
}

static HOT int await(vt *v, task_value *result, struct use u) {
    uint64_t word;
    if (v == NULL) {
        return refuse_null(u);
    }
    if (!word_claim(&v->word, &word, VT_AWAITING, site(u))) {
        return refuse_word(v, word, u);
    }
    return word_state(word) == VT_READY ? await_ready(v, word, result, u) : await_pending(v, word, result, u);
}

/* Edges are drawn, or the task's name is to be remembered, or the thread asked for its id. */
static COLD int await_slowly(vt *v, task_value *result, const char *where) {
    const struct use u = {"vt_await", where, vti_who()};
    return await(v, result, u);
}

/* Four words, in registers: a struct on the stack is read back before the stores of its halves have left the CPU. */
static __attribute__((noinline)) int await_quickly(vt *v, task_value *result, const char *where, uint64_t who) {
    const struct use u = {"vt_await", where, who};
    return edge_is_watched() ? await_slowly(v, result, where) : await(v, result, u);
}

/* A value that is there comes first, apart: the one locked instruction waits for all stores before it, and all loads
 * after it wait for it, so each of them counts. */
int vt_await_at(vt *v, task_value *result, const char *where) {
    const struct use u = {"vt_await", where, vti_who_quick()};
    if (UNLIKELY(u.who == 0 || v == NULL || edge_is_watched())) {
        return await_slowly(v, result, where);
    }
    uint64_t word = load_acq(&v->word);
    if (UNLIKELY(word != VTASK_READY_VALUE || !word_claim_found(&v->word, &word, VT_AWAITING, site(u)))) {
        return await_quickly(v, result, where, u.who);
    }
    uint64_t value = load_rlx(&v->value.u64); /* the caller's alone */
    tell(v, VT_CONSUMED, VT_VALUE, u);
    if (result != NULL) {
        result->u64 = value;
    }
    return 0;
}

/* Spends it without waiting. False: refused and reported. */
static bool discard(vt *v, struct use u) {
    uint64_t word;
    if (!word_claim(&v->word, &word, VT_DISCARDED, site(u))) {
        (void)refuse_word(v, word, u);
        return false;
    }
    uint64_t value = load_rlx(&v->value.u64); /* the caller's alone */
    tell(v, VT_DISCARDED, word_kind(word), u);
    if (word_state(word) == VT_READY) {
        int error;
        return ready_outcome(word, value, &error, NULL) || refuse_ready_copy(u) == 0;
    }
    struct behind b = behind_of(word, value);
    enum claim_result claimed = claim_take(b.a_claims, b.ticket, 0);
    if (claimed != CLAIM_TAKEN) {
        (void)refuse_copy(claimed, b, u);
        return false;
    }
    task_release(b.task);
    return true;
}

void vt_discard_at(vt *v, const char *where) {
    const struct use u = {"vt_discard", where, vti_who()};
    if (v == NULL) {
        (void)refuse_null(u);
        return;
    }
    (void)discard(v, u);
}

int vt_await_now_at(vt v, task_value *result, const char *where) {
    const struct use u = {"vt_await_now", where, vti_who()};
    if (LIKELY(word_state(v.word) == VT_READY && word_is_valid(v.word))) {
        int error = 0;
        return ready_outcome(v.word, v.value.u64, &error, result) ? error : refuse_ready_copy(u);
    }
    int error = await(&v, result, u);
    if (word_is_valid(v.word) && word_is_unspent(v.word)) {
        (void)discard(&v, u); /* the wait failed, and nobody can await it again */
    }
    return error;
}

bool vt_is_completed(const vt *v) {
    uint64_t word = v != NULL ? load_acq(&v->word) : 0;
    if (!word_is_valid(word) || word_state(word) != VT_PENDING) {
        return true;
    }
    uint64_t value = load_acq(&v->value.u64); /* [V2] */
    if (load_acq(&v->word) != word) {
        return true; /* claimed meanwhile, and `value` may be the claimer's */
    }
    struct behind b = behind_of(word, value);
    bool closed = is_complete(b);
    uint64_t claims = load_acq(b.a_claims); /* after the list: while the ticket is out, that was its task's */
    bool spent = !claim_fits(claims, b.ticket) || (claims & claim_bit(b.ticket)) == 0;
    return closed || spent; /* of a copy that was spent, an await says so at once */
}

/* --- converting: what must be allocated is, before the value-task is claimed --- */

static task *convert_ready(vt *v, struct use u) {
    uint64_t word;
    int error = 0;
    task_value value = {.u64 = 0};
    task *t = vti_task_new(u.where);
    if (t == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    if (!word_claim(&v->word, &word, VT_CONVERTED, site(u))) {
        errno = refuse_word(v, word, u);
    } else {
        bool good = ready_outcome(word, load_rlx(&v->value.u64), &error, &value); /* the caller's alone */
        tell(v, VT_CONVERTED, word_kind(word), u);
        if (good) {
            (void)vti_task_end(t, error, value);
            return t;
        }
        errno = refuse_ready_copy(u);
    }
    task_release(t);
    return NULL;
}

/* `bridge` is made for a source, and NULL for a task. */
static task *convert_pending(vt *v, struct bridge *bridge, struct use u) {
    uint64_t word;
    if (!word_claim(&v->word, &word, VT_CONVERTED, site(u))) {
        vti_bridge_drop(bridge);
        errno = refuse_word(v, word, u);
        return NULL;
    }
    struct behind b = behind_of(word, load_rlx(&v->value.u64)); /* the caller's alone */
    tell(v, VT_CONVERTED, b.kind, u);
    enum claim_result claimed = claim_take(b.a_claims, b.ticket, b.kind == VT_SOURCE ? CLAIM_AWAITING_ONE : 0);
    if (claimed != CLAIM_TAKEN) {
        vti_bridge_drop(bridge);
        errno = refuse_copy(claimed, b, u);
        return NULL;
    }
    return b.kind == VT_TASK ? b.task : vti_bridge_start(bridge, b.source);
}

task *vt_as_task_at(vt *v, const char *where) {
    const struct use u = {"vt_as_task", where, vti_who()};
    if (v == NULL) {
        errno = refuse_null(u);
        return NULL;
    }
    uint64_t word = load_acq(&v->word);
    if (!word_is_valid(word) || !word_is_unspent(word)) {
        errno = refuse_word(v, word, u);
        return NULL;
    }
    if (word_state(word) == VT_READY) {
        return convert_ready(v, u);
    }
    struct bridge *bridge = NULL;
    if (word_kind(word) == VT_SOURCE) {
        bridge = vti_bridge_new(where);
        if (bridge == NULL) {
            errno = ENOMEM;
            return NULL;
        }
    }
    return convert_pending(v, bridge, u);
}
