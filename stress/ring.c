/* ring.c: stress of a worker's two ends.
 *
 * First half: lib/ds/ring.h directly. Thread 0 fills the ring, the others and, when it is full, thread 0 itself take.
 * Every item comes out exactly once, with what its producer wrote, and to each taker in order.
 * Second half: children on a pool. Trees of random shape, forked, called, run as tasks, with random work, joined in
 * random order; every node runs exactly once and every join gives its subtree's size or its error.
 */
#include <vtask.h>

#include "ds/ring.h"
#include "harness.h"

/* --- the ring alone --- */

enum { ITEMS = 20000, TREE_DEPTH = 9, FAN = 6, NODE_ERROR = 1000 };

struct item {
    uint64_t number, check;
    unsigned taken; /* plain: two takers at once would be a race */
};

static struct counter pushed = {"items pushed", 0}, taken = {"items taken", 0}, full = {"times full", 0};
static struct counter forked = {"children forked", 0}, joined = {"children joined", 0}, run = {"children run", 0};
static struct counter published = {"children published", 0};
static struct counter *const counters[] = {&pushed, &taken, &full, &forked, &run, &joined, &published};

static struct {
    struct ring ring;
    struct item items[ITEMS];
    size_t n;
    uint32_t a_filled; /* the round's last item is in */
    bool again;        /* thread 0 writes it between two meetings */
    uint64_t round;
} alone;

static bool take_one(uint64_t *last) {
    struct item *item = vti_ring_take_any(&alone.ring);
    if (item == NULL) {
        return false;
    }
    must(item >= alone.items && item < alone.items + alone.n);
    must_be(item->check, mix(item->number ^ alone.round));
    must(item->number > *last);
    *last = item->number;
    item->taken++;
    return true;
}

static void fill(struct thread *me) {
    uint64_t last = 0;
    for (size_t i = 0; i < alone.n; i++) {
        struct item *item = &alone.items[i];
        *item = (struct item){i + 1, mix((i + 1) ^ alone.round), 0};
        while (!vti_ring_push_owner(&alone.ring, item)) {
            counter_add(&full, 1);
            counter_add(&taken, take_one(&last));
            beat(me, 1);
        }
        work(random_below(&me->random, 64));
    }
    counter_add(&pushed, alone.n);
    store_rel(&alone.a_filled, 1u); /* -> empty_out */
}

static void empty_out(struct thread *me) {
    uint64_t last = 0, n = 0;
    for (;;) {
        bool filled = load_acq(&alone.a_filled) != 0; /* <- fill: nothing comes after an empty ring */
        if (take_one(&last)) {
            n++;
            beat(me, 1);
        } else if (filled) {
            break;
        }
        work(random_below(&me->random, 32));
    }
    counter_add(&taken, n);
}

static void begin_round(void) {
    store_rlx(&alone.a_filled, 0u); /* the meeting carries it */
    alone.again = stress_goes_on(1, 2);
    alone.round++;
}

static void check_round(void) {
    must(vti_ring_size(&alone.ring) == 0 && vti_ring_take_any(&alone.ring) == NULL);
    for (size_t i = 0; i < alone.n; i++) {
        must_be(alone.items[i].taken, 1);
    }
}

static void ring_alone(struct thread *me) {
    for (;;) {
        if (me->index == 0) {
            begin_round();
        }
        (void)meet(me);
        if (!alone.again) {
            return;
        }
        me->index == 0 ? fill(me) : empty_out(me);
        (void)meet(me);
        if (me->index == 0) {
            check_round();
        }
        beat(me, 1);
    }
}

/* --- children --- */

struct node {
    uint64_t seed;
    unsigned depth;
    uint64_t size;  /* out: nodes in this subtree, this one included */
    unsigned times; /* out: how often it ran; plain */
};

/* The tree's shape hangs on the seed alone, so that a plain loop can say what its size must be. */
static unsigned fan_of(const struct node *n) { return n->depth == 0 ? 0 : (unsigned)(mix(n->seed) % FAN); }
static struct node child_of(const struct node *n, unsigned i) {
    return (struct node){mix(n->seed ^ (i + 1) * 0x9e3779b97f4a7c15u), n->depth - 1, 0, 0};
}
static int error_of(const struct node *n) { return n->seed % 11 == 0 ? NODE_ERROR + (int)(n->seed % 100) : 0; }

static uint64_t size_of(const struct node *n) {
    uint64_t size = 1;
    for (unsigned i = 0; i < fan_of(n); i++) {
        struct node child = child_of(n, i);
        size += size_of(&child);
    }
    return size;
}

enum way { FORK, CALL, TASK, WAYS_OF_TEN = 10 };
static enum way way_of(const struct node *n) {
    uint64_t of_ten = mix(n->seed + 1) % WAYS_OF_TEN;
    return of_ten == 0 ? TASK : of_ten < 3 ? CALL : FORK;
}

static int grow(void *arg, task_value *result);

/* What a node began and has to end. */
struct begun {
    enum way way;
    struct node node;
    vt_child child;
    task *task;
    int error; /* of a call */
};

static void begin(struct begun *b) {
    task_value value;
    b->way = way_of(&b->node);
    switch (b->way) {
    case FORK:
        vt_fork(&b->child, grow, &b->node);
        break;
    case TASK:
        b->task = task_run(grow, &b->node);
        must(b->task != NULL);
        break;
    default:
        b->error = grow(&b->node, &value);
    }
}

static uint64_t end(struct begun *b) {
    task_value value = {.u64 = 0};
    int error = b->way == FORK ? vt_join(&b->child, &value) : b->way == TASK ? task_join(b->task, &value) : b->error;
    must_be(error, error_of(&b->node));
    must(b->way == CALL || value.u64 == (error == 0 ? b->node.size : 0));
    must_be(b->node.times, 1);
    return b->node.size;
}

static void shuffle(unsigned order[], unsigned n, uint64_t seed) {
    for (unsigned i = 0; i < n; i++) {
        seed = mix(seed + i);
        unsigned j = (unsigned)(seed % (i + 1));
        order[i] = order[j];
        order[j] = i;
    }
}

static int grow(void *arg, task_value *result) {
    struct node *n = arg;
    unsigned fan = fan_of(n), order[FAN];
    struct begun begun[FAN];
    uint64_t forks = 0;
    n->size = 1;
    for (unsigned i = 0; i < fan; i++) {
        begun[i].node = child_of(n, i);
        begin(&begun[i]);
        forks += begun[i].way == FORK;
        work(mix(n->seed + i) & 255);
    }
    counter_add(&forked, forks);
    shuffle(order, fan, n->seed);
    for (unsigned i = 0; i < fan; i++) {
        n->size += end(&begun[order[i]]);
    }
    counter_add(&joined, forks);
    counter_add(&run, way_of(n) == FORK);
    n->times++;
    result->u64 = n->size;
    return error_of(n);
}

static void trees(struct thread *me) {
    task_options options = TASK_OPTIONS_INIT;
    options.pool = me->arg;
    while (stress_goes_on(2, 2)) {
        struct node root = {random_next(&me->random), (unsigned)stress_load(TREE_DEPTH), 0, 0};
        task_value value = {.u64 = 0};
        uint64_t size = size_of(&root);
        task *t = task_run_with(&options, grow, &root);
        must(t != NULL);
        must_be(task_join(t, &value), error_of(&root));
        must_be(root.size, size);
        must_be(root.times, 1);
        counter_add(&run, -(uint64_t)(way_of(&root) == FORK)); /* the root was not forked */
        beat(me, size);
    }
}

static task_pool *new_pool(unsigned workers) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    task_pool *pool = NULL;
    options.workers = workers;
    must_be(task_pool_create(&pool, &options), 0);
    return pool;
}

int main(int argc, char **argv) {
    stress_begin(argc, argv, "ring", counters, COUNT(counters));
    vti_ring_init(&alone.ring);
    alone.n = stress_load(ITEMS);
    stress_run(stress_threads(2), ring_alone, NULL);
    stress_equal(&pushed, &taken);
    task_pool *pool = new_pool(stress_threads(1));
    stress_run(2, trees, pool);
    task_pool_stats stats = TASK_POOL_STATS_INIT;
    task_pool_get_stats(pool, &stats);
    counter_add(&published, stats.published);
    must_be(task_pool_close(pool), 0);
    stress_equal(&forked, &run);
    stress_equal(&forked, &joined);
    return stress_end();
}
