/* task/claim.h: the tickets of the value-tasks that stand before a task or a source: each may be claimed once.
 *
 *   bits    name        set by           cleared by            meaning
 *   0..31   out         issue, restore   take, spend, reset    tickets that are unspent
 *   32..37  awaiting    take             end, restore          awaits under way, 62 at most; RESETTING: none may begin
 *   38..63  generation  +1 at a reset, and at an issue with none out
 *
 * Each ticket out holds a reference on its task, so a generation that does not fit means: spent; over a source, which has
 * counted its resets, perhaps void by one. Every change is one CAS of this one word, so of all copies of a pending value-task exactly one
 * takes the ticket, even after the task is gone: its block is a task's still (task/block.c), whose ticket is
 * not out, or of a later generation. A number is given out again at the earliest after 31 others, so a copy is told from a later value-task.
 * [K1] end, and take by who found it complete (release) -> reset (acquire): the awaits have read the outcome before it is
 *      overwritten. Who finds it complete reads before he takes the ticket, and is never under way: that the ticket is there to
 *      be taken says that no reset has come between, so what was read is this use's. Where one has, the ticket is void.
 * 26 bits of generation, not 32: a stale copy goes unseen only after exactly a multiple of 67 million uses, and the
 * awaits under way fit the same word, which makes EBUSY exact, and CONCURRENT with one value-task at a time.
 * Model: tests/model/claim.cpp.
 */
#ifndef VTI_TASK_CLAIM_H
#define VTI_TASK_CLAIM_H

#ifndef VTI_MODEL
#include <stdbool.h>
#include <stdint.h>
#endif

#include "base/atomic.h"

#define CLAIM_AWAITING_ONE ((uint64_t)1 << 32)
#define CLAIM_RESETTING ((uint64_t)63 << 32) /* one more than the awaits there can be */
#define CLAIM_MOST 62u                       /* tickets out and awaits under way, together */
#define CLAIM_GENERATION_ONE ((uint64_t)1 << 38)

enum claim_result {
    CLAIM_TAKEN,      /* it is the caller's */
    CLAIM_BUSY,       /* spent, and an await is under way */
    CLAIM_SPENT,      /* spent */
    CLAIM_GENERATION, /* of another generation */
    CLAIM_NONE        /* issue: too many are out, or the source is being reset */
};

/* What a value-task keeps: 26 bits of generation, 5 of number. */
typedef uint64_t claim_ticket;
#define CLAIM_TICKET_BITS 31

static inline uint64_t claim_awaiting(uint64_t word) { return word & CLAIM_RESETTING; }
static inline uint32_t claim_out(uint64_t word) { return (uint32_t)word; }
static inline uint64_t claim_generation(uint64_t word) { return word / CLAIM_GENERATION_ONE; }
static inline uint64_t claim_bit(claim_ticket t) { return (uint64_t)1 << (t & 31); }
static inline bool claim_fits(uint64_t word, claim_ticket t) { return claim_generation(word) == t >> 5; }

/* Takes and restores keep the sum, so the awaits alone never reach RESETTING. */
static inline bool claim_is_full(uint64_t word) {
    uint64_t awaiting = claim_awaiting(word) / CLAIM_AWAITING_ONE;
    if (LIKELY(claim_out(word) != UINT32_MAX && awaiting <= CLAIM_MOST - 32)) {
        return false;
    }
    uint64_t out = 0;
    for (uint32_t left = claim_out(word); left != 0; left &= left - 1) {
        out++;
    }
    return out == 32 || awaiting + out >= CLAIM_MOST;
}

/* The word with one more ticket out, whose number is the first free one from `hint` on. Some are free. */
static inline uint64_t claim_with_ticket(uint64_t word, uint32_t hint, claim_ticket *t) {
    uint32_t number = hint & 31;
    while ((claim_out(word) >> number & 1) != 0) {
        number = (number + 1) & 31;
    }
    *t = claim_generation(word) << 5 | number;
    return word | claim_bit(*t);
}

/* Gives a ticket out; with none out, in a new generation. `a_hint`: the next number, a hint. */
static inline enum claim_result claim_issue(atomic_u64 *a_word, atomic_u32 *a_hint, claim_ticket *t) {
    uint64_t word = load_acq(a_word), next;
    do {
        if (claim_is_full(word)) {
            return CLAIM_NONE;
        }
        next = claim_out(word) == 0 ? word + CLAIM_GENERATION_ONE : word;
        next = claim_with_ticket(next, load_rlx(a_hint), t); /* a hint: any number would do */
    } while (!cas_acqrel(a_word, &word, next));
    store_rlx(a_hint, (uint32_t)(*t & 31) + 1); /* a hint */
    return CLAIM_TAKEN;
}

/* Spends a ticket; `more` is added to the word: CLAIM_AWAITING_ONE where an await begins, else 0. [K1] */
static inline enum claim_result claim_take(atomic_u64 *a_word, claim_ticket t, uint64_t more) {
    uint64_t word = load_acq(a_word);
    do {
        if (!claim_fits(word, t) || claim_awaiting(word) == CLAIM_RESETTING) {
            return CLAIM_GENERATION;
        }
        if ((word & claim_bit(t)) == 0) {
            return claim_awaiting(word) != 0 ? CLAIM_BUSY : CLAIM_SPENT;
        }
    } while (!cas_acqrel(a_word, &word, (word & ~claim_bit(t)) + more));
    return CLAIM_TAKEN;
}

/* An await has ended. */
static inline void claim_end(atomic_u64 *a_word) { (void)sub_acqrel(a_word, CLAIM_AWAITING_ONE); } /* [K1] */

/* An await has failed as a wait: it ends, and its value-task gets a ticket again. */
static inline enum claim_result claim_restore(atomic_u64 *a_word, atomic_u32 *a_hint, claim_ticket *t) {
    uint64_t word = load_acq(a_word), next;
    do {
        if (claim_out(word) == UINT32_MAX) {
            claim_end(a_word);
            return CLAIM_NONE;
        }
        next = claim_with_ticket(word - CLAIM_AWAITING_ONE, load_rlx(a_hint), t); /* a hint */
    } while (!cas_acqrel(a_word, &word, next));
    store_rlx(a_hint, (uint32_t)(*t & 31) + 1); /* a hint */
    return CLAIM_TAKEN;
}

/* Begins a reset: all tickets are void, and none is issued or taken until its end. false: an await is under way. */
static inline bool claim_reset_begin(atomic_u64 *a_word) {
    uint64_t word = load_acq(a_word); /* [K1] */
    do {
        if (claim_awaiting(word) != 0) {
            return false;
        }
    } while (!cas_acqrel(a_word, &word, (claim_generation(word) * CLAIM_GENERATION_ONE) | CLAIM_RESETTING)); /* [K1] */
    return true;
}

static inline void claim_reset_end(atomic_u64 *a_word) {
    store_rel(a_word, (claim_generation(load_rlx(a_word)) + 1) * CLAIM_GENERATION_ONE); /* nobody else changes it now */
}

#endif
