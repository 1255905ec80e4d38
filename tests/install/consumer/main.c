/* A user's program: prints 42. */
#include <stdio.h>
#include <vtask.h>

static int six_times(void *arg, task_value *result) {
    result->i64 = 6 * *(int *)arg;
    return 0;
}

int main(void) {
    int seven = 7;
    task_value value = {0};
    task *t = task_run(six_times, &seven);
    int error = task_await(t, &value);
    task_release(t);
    if (error != 0) {
        (void)fprintf(stderr, "%s\n", vtask_strerror(error));
        return 1;
    }
    printf("%lld\n", (long long)value.i64);
    return 0;
}
