/* inbox.c: stress of the queue that many fill, and of the lists that blocks return to.
 *
 * First half: lib/ds/inbox.h directly. Half of the threads push, the others take batches of random size. Every entry
 * comes out exactly once, with what its pusher wrote, and each taker sees each pusher's entries in order.
 * Second half: lib/ds/freelist.h directly. Each thread owns a list, takes blocks, and sends them to random threads,
 * who give them back. No block is out twice at a time, and no list grows beyond what was out at a time.
 */
#include <stdlib.h>

#include "ds/freelist.h"
#include "ds/inbox.h"
#include "harness.h"

enum { ENTRIES = 10000, BATCH = 100, THREADS_MOST = 512, BLOCK = 64, OUT_MOST = 3000, SLAB_BLOCKS = 1024 };

static struct counter pushed = {"entries pushed", 0}, taken = {"entries taken", 0};
static struct counter blocks_taken = {"blocks taken", 0}, blocks_given = {"blocks given back", 0};
static struct counter *const counters[] = {&pushed, &taken, &blocks_taken, &blocks_given};

/* --- the inbox --- */

struct entry {
    inbox_entry link; /* first: an entry is its link */
    unsigned pusher;
    uint64_t number, check;
    unsigned taken; /* plain: two takers at once would be a race */
};

static struct {
    struct inbox inbox;
    struct entry *entries; /* of all pushers */
    size_t each;           /* entries of one pusher */
    uint32_t a_pushing;    /* pushers that are not done */
    bool again;            /* thread 0 writes it between two meetings */
} alone;

static unsigned pushers_of(const struct thread *me) { return me->threads / 2; }

static void push_all(struct thread *me) {
    struct entry *mine = alone.entries + me->index * alone.each;
    for (size_t i = 0; i < alone.each; i++) {
        uint64_t number = i + 1;
        mine[i] = (struct entry){{NULL}, me->index, number, mix(number ^ me->index), 0};
        vti_inbox_push_any(&alone.inbox, &mine[i].link);
        if (one_in(&me->random, 16)) {
            work(random_below(&me->random, 1024));
        }
    }
    counter_add(&pushed, alone.each);
    beat(me, alone.each);
    (void)sub_acqrel(&alone.a_pushing, 1u); /* -> take_all */
}

static void look_at(struct entry *e, const struct thread *me, uint64_t last[]) {
    must(e->pusher < pushers_of(me));
    must_be(e->check, mix(e->number ^ e->pusher));
    must(e->number > last[e->pusher]);
    last[e->pusher] = e->number;
    e->taken++;
}

static void take_all(struct thread *me) {
    uint64_t last[THREADS_MOST] = {0};
    inbox_entry *batch[BATCH];
    for (;;) {
        bool all_in = load_acq(&alone.a_pushing) == 0; /* <- push_all: nothing comes after an empty inbox */
        size_t most = 1 + random_below(&me->random, BATCH), n = vti_inbox_take_any(&alone.inbox, batch, most);
        must(n <= most);
        for (size_t i = 0; i < n; i++) {
            look_at((struct entry *)(void *)batch[i], me, last);
        }
        counter_add(&taken, n);
        beat(me, n);
        if (n == 0 && all_in) {
            return;
        }
    }
}

static void begin_round(const struct thread *me) {
    store_rlx(&alone.a_pushing, pushers_of(me)); /* the meeting carries it */
    alone.again = stress_goes_on(1, 2);
}

static void check_round(const struct thread *me) {
    must(!vti_inbox_has_any(&alone.inbox));
    for (size_t i = 0; i < alone.each * pushers_of(me); i++) {
        must_be(alone.entries[i].taken, 1);
    }
}

static void inbox_alone(struct thread *me) {
    for (;;) {
        if (me->index == 0) {
            begin_round(me);
        }
        (void)meet(me);
        if (!alone.again) {
            return;
        }
        me->index < pushers_of(me) ? push_all(me) : take_all(me);
        (void)meet(me);
        if (me->index == 0) {
            check_round(me);
        }
        beat(me, 1);
    }
}

/* --- the free lists --- */

struct block {
    inbox_entry link; /* the list's, and on the way the inbox's */
    uint64_t known;   /* KNOWN once it was out */
    uint64_t out;     /* plain: 1 while it is out */
    unsigned owner;
    uint64_t check;
};
_Static_assert(sizeof(struct block) <= BLOCK, "the lists' blocks hold one");
#define KNOWN 0x6b6e6f776e626c6bu

struct owner {
    struct freelist list;
    struct inbox arrived; /* others' blocks that this thread is to give back */
    uint32_t a_out;       /* of this list's blocks, those that are out */
    size_t blocks;        /* that this list ever had */
    char pad[CACHE_LINE];
};
static struct owner *owners;
static uint32_t a_sending; /* threads that may still send */

static void send_one(struct thread *me) {
    struct owner *mine = &owners[me->index];
    struct block *b = vti_freelist_take_owner(&mine->list);
    must(b != NULL);
    mine->blocks += b->known != KNOWN;
    must_be(b->out, 0);
    *b = (struct block){{NULL}, KNOWN, 1, me->index, mix((uintptr_t)b)};
    (void)add_rlx(&mine->a_out, 1u); /* a number */
    counter_add(&blocks_taken, 1);
    vti_inbox_push_any(&owners[random_below(&me->random, me->threads)].arrived, &b->link);
}

static size_t give_some(struct thread *me) {
    inbox_entry *batch[BATCH];
    size_t n = vti_inbox_take_any(&owners[me->index].arrived, batch, 1 + random_below(&me->random, BATCH));
    for (size_t i = 0; i < n; i++) {
        struct block *b = (struct block *)(void *)batch[i];
        struct owner *owner = &owners[b->owner];
        must_be(b->out, 1);
        must_be(b->check, mix((uintptr_t)b));
        b->out = 0;
        vti_freelist_give_any(one_in(&me->random, 8) ? NULL : &owners[me->index].list, b);
        (void)sub_acqrel(&owner->a_out, 1u);
    }
    counter_add(&blocks_given, n);
    return n;
}

static void exchange_blocks(struct thread *me) {
    struct owner *mine = &owners[me->index];
    vti_freelist_init(&mine->list, BLOCK);
    vti_inbox_init(&mine->arrived);
    (void)meet(me);
    while (stress_goes_on(2, 2)) {
        for (uint64_t n = random_below(&me->random, 200); n > 0 && load_rlx(&mine->a_out) < OUT_MOST; n--) {
            send_one(me);
        }
        beat(me, 1 + give_some(me));
    }
    (void)sub_acqrel(&a_sending, 1u); /* -> the last look */
    while (load_acq(&a_sending) != 0 || vti_inbox_has_any(&mine->arrived)) {
        beat(me, give_some(me));
    }
    (void)meet(me);
    must_be(load_rlx(&mine->a_out), 0);
    must(mine->blocks <= OUT_MOST + SLAB_BLOCKS);
    (void)meet(me);
    vti_freelist_fini(&mine->list);
    vti_inbox_fini(&mine->arrived);
}

int main(int argc, char **argv) {
    stress_begin(argc, argv, "inbox", counters, COUNT(counters));
    unsigned threads = stress_threads(2);
    vti_inbox_init(&alone.inbox);
    alone.each = stress_load(ENTRIES);
    alone.entries = calloc(alone.each * (threads / 2), sizeof alone.entries[0]);
    owners = calloc(threads, sizeof owners[0]);
    must(alone.entries != NULL && owners != NULL);
    stress_run(threads, inbox_alone, NULL);
    vti_inbox_fini(&alone.inbox);
    stress_equal(&pushed, &taken);
    store_rlx(&a_sending, threads); /* the threads' start carries it */
    stress_run(threads, exchange_blocks, NULL);
    stress_equal(&blocks_taken, &blocks_given);
    free(alone.entries);
    free(owners);
    return stress_end();
}
