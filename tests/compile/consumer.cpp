// consumer.cpp: a C++17 program that uses tasks, value-tasks and combinators, and checks what it gets.
#include <vtask.h>

#include <cstdint>
#include <cstdio>
#include <memory>

namespace {

int twice(void *arg, task_value *result) {
    result->i64 = 2 * *static_cast<std::int64_t *>(arg);
    return 0;
}

int fail(void *, task_value *) { return 7; }

int count(void *context, std::size_t, task *done) {
    *static_cast<int *>(context) += task_error(done) == 0 ? 1 : 100;
    return 0;
}

struct release {
    void operator()(task *t) const { task_release(t); }
};
using task_ptr = std::unique_ptr<task, release>;

int failures;

void check(bool holds, const char *what) {
    if (!holds) {
        std::fprintf(stderr, "does not hold: %s\n", what);
        failures++;
    }
}

VT_FUNCTION_1(std::int64_t, fib, std::int64_t, n) {
    if (n < 2)
        return n;
    VT_FORK_1(fib, left, n - 1);
    std::int64_t right = fib(n - 2);
    return VT_JOIN(fib, left) + right;
}

int fib_task(void *, task_value *result) {
    result->i64 = fib(15);
    return 0;
}

VT_PROCEDURE_2(add, int *, sum, int, x) { *sum += x; }

} // namespace

#define CHECK(condition) check((condition), #condition)

int main() {
    std::int64_t inputs[] = {20, 1};
    task_ptr first{task_run(twice, &inputs[0])};
    task_ptr second{task_run(twice, &inputs[1])};
    CHECK(first && second);

    task *both[] = {first.get(), second.get()};
    CHECK(task_join(when_all(both, 2), nullptr) == 0);
    task_value value{};
    CHECK(task_join(when_any(both, 2), &value) == 0 && value.u64 < 2);
    int counted = 0;
    CHECK(when_each(both, 2, count, &counted) == 0 && counted == 2);
    CHECK(task_await(first.get(), &value) == 0 && value.i64 == 40);
    CHECK(task_join(task_run(fail, nullptr), nullptr) == 7);

    task_value seven{};
    seven.i64 = 7;
    vt ready = vt_from_value(seven);
    CHECK(vt_await(&ready, &value) == 0 && value.i64 == 7);
    int known = 0;
    vt_on_misuse([](const vt_misuse *m, void *known) { *static_cast<int *>(known) += m->first_thread == m->thread; },
                 &known);
    CHECK(vt_await(&ready, nullptr) == VT_E_REPEATED && known == 1);
    ready = vt_from_value(seven);
    CHECK(vt_await(&ready, nullptr) == 0 && vt_await(&ready, &value) == VT_E_REPEATED && known == 2);
    vt_on_misuse(nullptr, nullptr);
    CHECK(vt_await_now(vt_from_task(task_run(twice, &inputs[1])), &value) == 0 && value.i64 == 2);

    vt_child child;
    vt_fork(&child, twice, &inputs[0]);
    CHECK(vt_join(&child, &value) == 0 && value.i64 == 40);
    CHECK(task_join(task_run(fib_task, nullptr), &value) == 0 && value.i64 == 610 && fib(10) == 55);
    int sum = 1;
    VT_FORK_2(add, addition, &sum, 2);
    VT_JOIN(add, addition);
    CHECK(sum == 3);
    std::printf("vtask %s: %s\n", vtask_version(), failures == 0 ? "ok" : "failed");
    return failures == 0 ? 0 : 1;
}
