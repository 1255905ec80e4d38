/* misuse: a value-task may be awaited once. The second await is an error code at once, never undefined behaviour, and
 * a report that names both places: first as the paragraph on stderr that comes by default, then through a hook. */
#include <stdio.h>

#include <vtask.h>

static int answer(void *arg, task_value *result) {
    (void)arg;
    result->i64 = 42;
    return 0;
}

/* Awaits twice. Returns the second await's code; *value is what the first one gave, untouched by the second. */
static int await_twice(task_value *value) {
    vt v = vt_from_task(task_run(answer, NULL));
    int error = vt_await(&v, value);
    if (error != 0) {
        return error;
    }
    return vt_await(&v, value); /* the misuse: v was spent above */
}

/* A program may log reports its own way, count them, or stop in its debugger here. */
static void note(const vt_misuse *report, void *context) {
    int *reports = context;
    ++*reports;
    printf("the hook: code %d at %s, after %s\n", report->code, report->where,
           report->first_where != NULL ? report->first_where : "an unknown place");
}

int main(void) {
    task_value value = {0};
    int reports = 0;

    fputs("Without a hook:\n", stderr);
    int by_default = await_twice(&value);

    vt_on_misuse(note, &reports);
    int hooked = await_twice(&value);
    vt_on_misuse(NULL, NULL);

    printf("both second awaits gave: %s\n", vtask_strerror(hooked));
    return by_default == VT_E_REPEATED && hooked == VT_E_REPEATED && reports == 1 && value.i64 == 42 ? 0 : 1;
}
