/* task/checked.c: a side table of tickets for READY value-tasks. */
#include "task/checked.h"

#include "base/atomic.h"

enum { SLOT_BITS = 20, SLOTS = 1 << SLOT_BITS, TRIES = 64, USE_BITS = 28 };
#define USE_MASK ((1u << USE_BITS) - 1)

static atomic_u32 a_slots[SLOTS]; /* odd: out. Pages that nobody uses cost nothing */
static atomic_u32 a_next;

uint64_t vti_checked_issue(void) {
    for (int i = 0; i < TRIES; i++) {
        uint32_t slot = add_rlx(&a_next, 1u) % SLOTS; /* any slot would do */
        uint32_t use = load_rlx(&a_slots[slot]);
        if ((use & 1) == 0 && cas_acqrel(&a_slots[slot], &use, (use + 1) & USE_MASK)) {
            return (uint64_t)((use + 1) & USE_MASK) << SLOT_BITS | slot;
        }
    }
    return 0;
}

bool vti_checked_spend(uint64_t ticket) {
    uint32_t slot = (uint32_t)ticket % SLOTS, use = (uint32_t)(ticket >> SLOT_BITS);
    return cas_acqrel(&a_slots[slot], &use, (use + 1) & USE_MASK);
}
