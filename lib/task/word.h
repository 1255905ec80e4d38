/* task/word.h: a value-task's word: the only file that names its bits.
 *
 *                  +--------------------- vt_discard ----> DISCARDED
 *                  +--------------------- vt_as_task ----> CONVERTED
 *    READY --------+--- vt_await: CAS -> AWAITING -------> CONSUMED
 *    PENDING ------+--- vt_await: CAS -> AWAITING --- (completed) ---> CONSUMED
 *         ^                                 |
 *         +------ (the wait failed) --------+
 *
 *   bits    name     meaning
 *   0..7    state    as above; 0: EMPTY
 *   8..9    kind     VALUE, ERROR (READY); TASK, SOURCE (PENDING); kept afterwards
 *   10      known    claimed: `value` tells who (vti_who())
 *   11      checked  READY: the payload is a ticket of task/checked.h, and an error is in `value`
 *   12..15  tag      5: tells a value-task from other memory
 *   16..63  payload  READY: the error, or the ticket; PENDING: the claim's ticket; claimed: the call site that did it
 *
 *   plain field   READY, PENDING   AWAITING                   afterwards
 *   value         read by the      the claimer writes who it   who it was, read only
 *                 claimer only     is, then sets `known`
 *
 * Every consumer moves the word by one CAS which publishes its own call site; who loses learns from the word it found
 * which misuse it is and whose claim stands, and touches nothing else.
 * [V1] claim with `known` (release) -> a loser (acquire): carries `value`.
 * [V2] the claimer's `value` (release) -> vt_is_completed (acquire): who finds it, finds the word claimed after it.
 * `value` is written and read as a relaxed word: a loser may look while a failed wait puts it back.
 * The await of a READY value is inlined, too, by the same steps: vtask_await_value() in vtask/vt.h.
 * Model: tests/model/word.cpp.
 */
#ifndef VTI_TASK_WORD_H
#define VTI_TASK_WORD_H

#ifndef VTI_MODEL
#include <stdbool.h>
#include <stdint.h>
#endif

#include "base/atomic.h"

enum vt_state { VT_EMPTY, VT_READY, VT_PENDING, VT_AWAITING, VT_CONSUMED, VT_CONVERTED, VT_DISCARDED };
enum vt_kind { VT_VALUE, VT_ERROR, VT_TASK, VT_SOURCE };

#define WORD_KNOWN ((uint64_t)1 << 10)
#define WORD_CHECKED ((uint64_t)1 << 11)
#define WORD_TAG ((uint64_t)5 << 12)
#define WORD_PAYLOAD_SHIFT 16

static inline enum vt_state word_state(uint64_t word) { return (enum vt_state)(word & 0xff); }
static inline enum vt_kind word_kind(uint64_t word) { return (enum vt_kind)(word >> 8 & 3); }
static inline uint64_t word_payload(uint64_t word) { return word >> WORD_PAYLOAD_SHIFT; }

static inline uint64_t word_make(enum vt_state state, enum vt_kind kind, uint64_t payload) {
    return (uint64_t)state | (uint64_t)kind << 8 | WORD_TAG | payload << WORD_PAYLOAD_SHIFT;
}

static inline bool word_is_unspent(uint64_t word) {
    return word_state(word) == VT_READY || word_state(word) == VT_PENDING;
}

/* Whether it is any state at all. */
static inline bool word_is_valid(uint64_t word) {
    enum vt_state state = word_state(word);
    bool pending_kind = word_kind(word) >= VT_TASK;
    if ((word & (uint64_t)15 << 12) != WORD_TAG || state == VT_EMPTY || state > VT_DISCARDED) {
        return false;
    }
    return (state != VT_READY || !pending_kind) && (state != VT_PENDING || pending_kind);
}

/* Moves the word from *found, which is unspent, to `claimed`; true: the caller has it alone. False: *found has changed. */
static inline bool word_claim_found(atomic_u64 *a_word, uint64_t *found, enum vt_state claimed, uint64_t site) {
    return cas_acqrel(a_word, found, word_make(claimed, word_kind(*found), site)); /* [V1] */
}

/* Moves an unspent word to `claimed`. *found: what was there; true: it was unspent, and the caller has it alone. */
static inline bool word_claim(atomic_u64 *a_word, uint64_t *found, enum vt_state claimed, uint64_t site) {
    *found = load_acq(a_word); /* [V1] */
    while (word_is_valid(*found) && word_is_unspent(*found)) {
        if (word_claim_found(a_word, found, claimed, site)) {
            return true;
        }
    }
    return false;
}

/* The claimer has written who it is. */
static inline void word_tell(atomic_u64 *a_word, enum vt_state state, enum vt_kind kind, uint64_t site) {
    store_rel(a_word, word_make(state, kind, site) | WORD_KNOWN); /* [V1] */
}

#endif
