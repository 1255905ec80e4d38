/* vt_cache: a function that answers mostly at once, and sometimes only later, returns a value-task. The first lookup
 * starts a task; from the second on the answer is two words, nothing is allocated and no thread is asked.
 * One thread looks up here; a cache for many has a lock around its entries: see treehash.c. */
#include <stdbool.h>
#include <stdio.h>

#include <vtask.h>

#define ENTRIES 64u

struct entry {
    bool known;
    uint64_t n, value;
};

static struct entry entries[ENTRIES];

/* Sums the divisors of n, the slow way: the task. */
static int work_out(void *arg, task_value *result) {
    const struct entry *e = arg;
    for (uint64_t d = 1; d <= e->n; d++) {
        result->u64 += e->n % d == 0 ? d : 0;
    }
    return 0;
}

static vt divisor_sum(uint64_t n) {
    struct entry *e = &entries[n % ENTRIES];
    if (e->known && e->n == n) {
        return vt_from_value((task_value){.u64 = e->value}); /* completed synchronously */
    }
    *e = (struct entry){.n = n};
    return vt_from_task(task_run(work_out, e)); /* takes the reference over; a NULL becomes a failed value-task */
}

static int look_up(uint64_t n, uint64_t *sum, bool *at_once) {
    task_value value;
    vt answer = divisor_sum(n);
    *at_once = vt_is_completed(&answer);
    int error = vt_await(&answer, &value); /* once: the value-task is spent now */
    if (error == 0) {
        *sum = value.u64;
        entries[n % ENTRIES] = (struct entry){.known = true, .n = n, .value = value.u64};
    }
    return error;
}

int main(void) {
    uint64_t first = 0, second = 0;
    bool at_once = false, again_at_once = false;
    int error = look_up(33550336, &first, &at_once);
    error = error != 0 ? error : look_up(33550336, &second, &again_at_once);
    printf("first lookup:  %llu, %s\n", (unsigned long long)first, at_once ? "at once" : "from a task");
    printf("second lookup: %llu, %s\n", (unsigned long long)second, again_at_once ? "at once" : "from a task");
    return error == 0 && first == 2 * UINT64_C(33550336) && second == first && again_at_once ? 0 : 1;
}
