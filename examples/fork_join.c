/* fork_join: sums an array by halving it. The left half is forked: a child that lives in this frame, costs no
 * allocation, and is run by whichever worker is free, or by ourselves at the join. The right half is a plain call. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <vtask.h>

#define COUNT ((size_t)4 * 1000 * 1000)
#define SMALL ((size_t)2000) /* below this, forking would cost more than adding */

struct range {
    const int32_t *at;
    size_t count;
};

static int64_t add_up(const struct range *r) {
    int64_t sum = 0;
    for (size_t i = 0; i < r->count; i++) {
        sum += r->at[i];
    }
    return sum;
}

static int sum(void *arg, task_value *result) {
    const struct range *r = arg;
    if (r->count <= SMALL) {
        result->i64 = add_up(r);
        return 0;
    }
    struct range left = {r->at, r->count / 2};
    struct range right = {r->at + left.count, r->count - left.count};
    vt_child child;
    task_value left_sum = {0};

    vt_fork(&child, sum, &left);
    int error = sum(&right, result);
    int left_error = vt_join(&child, &left_sum); /* exactly once, and on every path: `left` is in this frame */
    result->i64 += left_sum.i64;
    return error != 0 ? error : left_error;
}

int main(void) {
    int32_t *numbers = malloc(COUNT * sizeof *numbers);
    for (size_t i = 0; numbers != NULL && i < COUNT; i++) {
        numbers[i] = (int32_t)(i % 1000);
    }
    struct range all = {numbers, numbers != NULL ? COUNT : 0};
    task_value total = {0};
    int error = task_join(task_run(sum, &all), &total); /* forks spread over a pool's workers, so begin in a task */
    int64_t expected = add_up(&all);
    printf("the sum is %lld (%s)\n", (long long)total.i64, vtask_strerror(error));
    free(numbers);
    return error == 0 && total.i64 == expected && expected > 0 ? 0 : 1;
}
