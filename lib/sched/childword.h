/* sched/childword.h: a child's word: the only file that names its bits. Who has it, whether it has ended, who waits.
 *
 *                 fork                          join (owner, inlined or here)
 *   (anything) ---------> PRIVATE ------------------------------------> RUNNING ---> JOINED
 *                  |       |   | give (owner, asked by a thief)            ^
 *                  |       |   v               join: the ticket claimed    |
 *                  |       | PUBLISHED ------------------------------------+
 *                  |  take |   | (thief: ticket claimed)
 *                  |       v   v
 *                  |     WAITING, if the owner waits --- thief's end: exchange ---> DONE ---- join ----> JOINED
 *                  |       (taken to be queued, not begun: exchange ---> PUBLISHED, by whoever took it)
 *                  +--> LONE (no worker, or no memory for a ticket) --- join ----> RUNNING ---> JOINED
 *
 *   bits    name    set by          meaning
 *   0..7    state   as above
 *   8..15   tag     always: tells a child from other memory
 *   32..63  error   thief's end     DONE: the code
 *
 * The word of a child that was taken and begun is PRIVATE still.
 *
 * [C1] thief's end (exchange, release) -> join (acquire): carries the value and everything the child did.
 * [C2] WAITING, and DONE or PUBLISHED after it, are RMWs of this one word: either the owner finds what came, or who brings it
 *      finds WAITING and wakes.
 * [C3] published after it was taken (exchange, release) -> join (acquire): carries `with` and the ticket.
 * Lifetime: with that exchange the other thread has touched the child and its frame for the last time; it wakes by address.
 * Model: tests/model/childword.cpp.
 */
#ifndef VTI_SCHED_CHILDWORD_H
#define VTI_SCHED_CHILDWORD_H

#ifndef VTI_MODEL
#include <stdbool.h>
#include <stdint.h>
#endif

#include "base/atomic.h"

enum child_state {
    CHILD_EMPTY,
    CHILD_PRIVATE,
    CHILD_LONE,
    CHILD_PUBLISHED,
    CHILD_WAITING,
    CHILD_RUNNING,
    CHILD_DONE,
    CHILD_JOINED
};
#define CHILD_TAG 0xc500u

static inline uint64_t childword_of(enum child_state state) { return (uint64_t)state | CHILD_TAG; }
static inline enum child_state childword_state(uint64_t word) { return (enum child_state)(word & 0xff); }
static inline int childword_error(uint64_t done) { return (int)(uint32_t)(done >> 32); }

static inline bool childword_is_valid(uint64_t word) {
    enum child_state state = childword_state(word);
    uint64_t rest = state == CHILD_DONE ? word << 32 >> 32 : word;
    return rest == childword_of(state) && state > CHILD_EMPTY && state <= CHILD_JOINED;
}

static inline enum child_state childword_look(atomic_u64 *a_word) {
    return childword_state(load_acq(a_word)); /* [C1] [C3] */
}

/* The owner is about to sleep; false: it has changed. */
static inline bool childword_wait_owner(atomic_u64 *a_word, enum child_state now) {
    uint64_t word = childword_of(now);
    return cas_acqrel(a_word, &word, childword_of(CHILD_WAITING)); /* [C2] */
}

/* Whoever ran it has ended. Says whether the owner must be woken. */
static inline bool childword_end(atomic_u64 *a_word, int error) {
    uint64_t done = childword_of(CHILD_DONE) | (uint64_t)(uint32_t)error << 32;
    return childword_state(exchange_acqrel(a_word, done)) == CHILD_WAITING; /* [C1] [C2] */
}

/* Whoever took it has a ticket for it, not queued yet. Says whether the owner must be woken. */
static inline bool childword_publish_taken(atomic_u64 *a_word) {
    return childword_state(exchange_acqrel(a_word, childword_of(CHILD_PUBLISHED))) == CHILD_WAITING; /* [C2] [C3] */
}

#endif
