/* hello: runs a function in the default pool and awaits it. A task function has the shape of every other function that
 * can fail: it returns 0 or an error code, and its value goes to *result. So does task_await(), which gives both. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <vtask.h>

static int count_letters(void *arg, task_value *result) {
    const char *text = arg;
    if (*text == '\0') {
        return EINVAL; /* reaches every awaiter as it is */
    }
    result->u64 = strlen(text);
    return 0;
}

int main(void) {
    char greeting[] = "Hello, tasks!";
    char nothing[] = "";
    task_value value;

    task *t = task_run(count_letters, greeting); /* runs on some worker while we go on */
    int error = task_await(t, &value);           /* blocks; a task may be awaited as often as you like */
    if (error != 0) {
        fprintf(stderr, "hello: %s\n", vtask_strerror(error)); /* t may have been NULL, too: that awaits as EINVAL */
        return 1;
    }
    printf("\"%s\" has %d characters\n", greeting, (int)value.u64);
    task_release(t);

    error = task_join(task_run(count_letters, nothing), NULL); /* await and release in one */
    printf("\"%s\": %s\n", nothing, vtask_strerror(error));
    return value.u64 == strlen(greeting) && error == EINVAL ? 0 : 1;
}
