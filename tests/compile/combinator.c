/* combinator.c: a combinator over tasks, and, with -DREFUSED, over value-tasks. Compiled as C and as C++. */
#include <vtask.h>

#define VALUE_TASK 1
#define ARRAY 2

int visit(void *context, size_t index, task *done);
int use_when_all(task *a, task *b, vt *v);
int use_when_any(task *a, task *b, vt *v);
int use_when_each(task *a, task *b, vt *v);

#if REFUSED == VALUE_TASK
#define INPUT v
#elif REFUSED == ARRAY
#define INPUT values
#else
#define INPUT tasks
#endif

#define INPUTS                   \
    task *tasks[2] = {a, b};     \
    vt values[2] = {v[0], v[1]}; \
    (void)tasks;                 \
    (void)values;                \
    (void)a;                     \
    (void)b;                     \
    ALSO_LITERAL

#if !defined(REFUSED) && !defined(__cplusplus)
#define ALSO_LITERAL (void)sizeof(when_all((task *[]){a, b}, 2)), (void)sizeof(when_any((task *const[]){a, b}, 2))
#else
#define ALSO_LITERAL (void)0
#endif

#if defined(USE_when_all)
int use_when_all(task *a, task *b, vt *v) {
    INPUTS;
    return task_join(when_all(INPUT, 2), 0);
}
#elif defined(USE_when_any)
int use_when_any(task *a, task *b, vt *v) {
    INPUTS;
    return task_join(when_any(INPUT, 2), 0);
}
#elif defined(USE_when_each)
int use_when_each(task *a, task *b, vt *v) {
    INPUTS;
    return when_each(INPUT, 2, visit, 0);
}
#else
#error "which combinator?"
#endif
