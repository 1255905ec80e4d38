/* sched/idle.h: who searches and who sleeps: the word by which no wake-up is ever lost.
 *
 *   bits    name       set by                          cleared by                  meaning
 *   0..15   searching  begin_search, woken             end_search, fall_asleep     workers that look for work
 *   16..31  sleeping   fall_asleep                     woken                       workers that sleep, or are about to
 *
 * A pusher makes its job visible, stores its epoch, then reads the word: [P1] before [P2]. It wakes somebody only if
 * one sleeps and nobody searches. A worker that stops searching changes the word, then, if it was the last searcher,
 * reads every epoch and looks at every queue once more: [S1] before [S2].
 *
 * Why no wake-up is lost. All four are seq_cst, so they stand in one total order.
 *  - [S1] before [P2]: the pusher sees that nobody searches. If nobody sleeps either, everybody is awake and will be a
 *    searcher before it sleeps; else the pusher wakes one.
 *  - [P2] before [S1], for the last worker that was searching at [P2]: then [P1] before [P2] before [S1] before [S2],
 *    so that worker's last look finds the job (or finds that somebody took it), and wakes another one.
 * The last searcher looks whether it found work or not: a searcher that finds work stands for the pushers that relied
 * on it, and wakes the next one if there is more. Where nobody sleeps at [S1] it need not: whoever is awake searches
 * before he sleeps, and the last of those looks.
 * [E1] the epoch (release) -> the last look (acquire): carries the queue's new entry.
 * Rejected: a stand-alone fence (ThreadSanitizer does not see it); a flag beside the count (two words, two proofs).
 * Models: tests/model/idle.cpp (the word alone), park.cpp.
 */
#ifndef VTI_SCHED_IDLE_H
#define VTI_SCHED_IDLE_H

#include "base/atomic.h"

#define IDLE_SEARCHER 1u
#define IDLE_SLEEPER 0x10000u
#define IDLE_SEARCHERS 0xffffu

struct idle {
    atomic_u32 a_state;
};

static inline bool idle_is_quiet(struct idle *i) { return load_seq(&i->a_state) == 0; } /* nobody searches or sleeps */
static inline bool idle_has_sleepers(struct idle *i) { return load_seq(&i->a_state) >= IDLE_SLEEPER; }

static inline bool idle_wants_wake(struct idle *i) {
    uint32_t state = load_seq(&i->a_state); /* [P2] */
    return state >= IDLE_SLEEPER && (state & IDLE_SEARCHERS) == 0;
}

/* The owner of `a_epoch` has made a job visible; says whether somebody must be woken. */
static inline bool idle_pushed_owner(struct idle *i, atomic_u32 *a_epoch) {
    store_seq(a_epoch, load_rlx(a_epoch) + 1); /* [P1] [E1]; the owner alone writes it */
    return idle_wants_wake(i);
}

/* The same for an epoch that many write. */
static inline bool idle_pushed_any(struct idle *i, atomic_u32 *a_epoch) {
    (void)add_seq(a_epoch, 1u); /* [P1] [E1] */
    return idle_wants_wake(i);
}

/* Before the last look at the queue that belongs to `a_epoch`. */
static inline void idle_look(atomic_u32 *a_epoch) { (void)load_seq(a_epoch); } /* [S2] [E1] */

static inline void idle_begin_search(struct idle *i) { (void)add_seq(&i->a_state, IDLE_SEARCHER); }

/* The caller has found work. Says whether it must look once more, for somebody who sleeps: it was the last searcher. Where
 * nobody sleeps everybody will be a searcher before he does. */
static inline bool idle_end_search(struct idle *i) {
    uint32_t state = sub_seq(&i->a_state, IDLE_SEARCHER); /* [S1] */
    return state >= IDLE_SLEEPER && (state & IDLE_SEARCHERS) == IDLE_SEARCHER;
}

/* Says whether the caller was the last searcher, who must look once more. */
static inline bool idle_fall_asleep(struct idle *i) {
    return (add_seq(&i->a_state, IDLE_SLEEPER - IDLE_SEARCHER) & IDLE_SEARCHERS) == IDLE_SEARCHER; /* [S1] */
}

/* A sleeper is a searcher again: its waker says so in its name, so that nobody else is woken meanwhile. */
static inline void idle_woken(struct idle *i) { (void)sub_seq(&i->a_state, IDLE_SLEEPER - IDLE_SEARCHER); }

#endif
