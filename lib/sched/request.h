/* sched/request.h: who has children that nobody else sees is asked for them, so that none is left to those who sleep.
 *
 *                 ask (any)                       met (owner): shared enough, or nobody is idle
 *   NOT ASKED -----------------> ASKED ------------------------------------------> NOT ASKED, or ASKED again:
 *                                  ^  each fork calls the library, which shares              somebody sleeps
 *
 * The request is the private end's limit (sched/private.h): NULL. One that is made by a searcher is advice; those that a
 * sleeper counts on are not. Who falls asleep says so in the idle word [R1], asks everybody [V3], calls membarrier, and
 * looks at every private end once more (sched/park.c).
 *
 * Why no child is left to who sleeps:
 *  - A fork that does not see the request: its light barrier came before the membarrier, and the look finds the child [V3].
 *  - One that does calls the library, which shares the child and wakes somebody.
 *  - The owner withdraws a request [R2], then looks for sleepers: either it finds who has said so, and asks in its name, or
 *    that word comes after the look; and so does the sleeper's request, which stands. All four are seq_cst.
 * [R1] the idle word says who sleeps -> his request: in this order.   [R2] the request is withdrawn -> the look at the
 * idle word: in this order. [V3] is sched/private.h's.
 *
 * Without membarrier requests stand for good, and each fork is a push with an epoch. Where it has just been refused, a
 * request that was new calls for another round: what was forked before it shows by then.
 * Rejected: a request that stands while anybody is idle (once enough is out, each fork would call the library for nothing).
 * Model: tests/model/request.cpp.
 */
#ifndef VTI_SCHED_REQUEST_H
#define VTI_SCHED_REQUEST_H

#include "sched/idle.h"
#include "sched/private.h"

/* The owner has shared some; `enough`: and need not share more. */
static inline void request_met_owner(struct private_end *p, struct idle *i, bool enough) {
    if ((enough || idle_is_quiet(i)) && private_answered_owner(p) && idle_has_sleepers(i)) { /* [R2] */
        (void)private_ask_any(p);                                                            /* in their name */
    }
}

#endif
