/* tests/api/test_vt_source.c: what <vtask/vt.h> promises of sources: completions used again and again. */
#include "api.h"

static const int errors[] = {1, EAGAIN, EALREADY, VTASK_E_CYCLE, VT_E_STALE, INT32_MAX};

START_TEST(source_serves_a_hundred_thousand_generations) {
    vt_source s;
    vt_source_init(&s);
    listen_to_reports();
    for (unsigned i = 0; i < 100000; i++) {
        bool set_first = i & 1, fails = i & 2;
        vt v;
        task_value got = as_i64(-7);
        int err;
        if (!set_first)
            v = vt_from_source(&s);
        if (!set_first)
            must(!vt_is_completed(&v));
        must((fails ? vt_source_set_error(&s, (int)i + 1) : vt_source_set_value(&s, as_i64(i))) == 0);
        if (set_first)
            v = vt_from_source(&s);
        must(vt_is_completed(&v));
        err = i & 4 ? vt_await_now(v, &got) : vt_await(&v, &got);
        must(err == (fails ? (int)i + 1 : 0));
        must(got.i64 == (fails ? -7 : (int64_t)i));
        must(vt_source_reset(&s) == 0);
    }
    ck_assert_int_eq(vt_source_fini(&s), 0);
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

START_TEST(first_outcome_stands_and_a_second_is_ealready) {
    for (int first = 0; first < 2; first++)
        for (int second = 0; second < 2; second++)
            for (size_t e = 0; e < COUNT(errors); e++)
                for (int look = 0; look < 2; look++) {
                    vt_source s;
                    vt v;
                    task_value got = as_i64(-7);
                    vt_source_init(&s);
                    if (look)
                        v = vt_from_source(&s);
                    ck_assert_int_eq(first ? vt_source_set_error(&s, errors[e]) : vt_source_set_value(&s, as_i64(10)), 0);
                    ck_assert_int_eq(second ? vt_source_set_error(&s, 99) : vt_source_set_value(&s, as_i64(20)), EALREADY);
                    if (!look)
                        v = vt_from_source(&s);
                    ck_assert_int_eq(vt_await(&v, &got), first ? errors[e] : 0);
                    ck_assert_int_eq(got.i64, first ? -7 : 10);
                    ck_assert_int_eq(second ? vt_source_set_error(&s, 99) : vt_source_set_value(&s, as_i64(20)), EALREADY);
                    ck_assert_int_eq(vt_source_reset(&s), 0);
                    ck_assert_int_eq(second ? vt_source_set_error(&s, 99) : vt_source_set_value(&s, as_i64(20)), 0);
                    v = vt_from_source(&s);
                    got = as_i64(-7);
                    ck_assert_int_eq(vt_await(&v, &got), second ? 99 : 0);
                    ck_assert_int_eq(got.i64, second ? -7 : 20);
                    ck_assert_int_eq(vt_source_fini(&s), 0);
                }
}
END_TEST

START_TEST(source_given_wrongly_is_einval_and_untouched) {
    static const unsigned char fills[] = {0x00, 0xff, 0xaa, 0x5a, 0x01, 0x7f};
    vt_source s;
    vt v;
    ck_assert_int_eq(vt_source_set_value(NULL, as_i64(1)), EINVAL);
    ck_assert_int_eq(vt_source_set_error(NULL, 5), EINVAL);
    ck_assert_int_eq(vt_source_reset(NULL), EINVAL);
    ck_assert_int_eq(vt_source_fini(NULL), EINVAL);
    vt_source_init(NULL);
    for (size_t i = 0; i < COUNT(fills); i++) {
        vt_source copy;
        memset(&s, fills[i], sizeof s);
        memset(&copy, fills[i], sizeof copy);
        ck_assert_int_eq(vt_source_set_value(&s, as_i64(1)), EINVAL);
        ck_assert_int_eq(vt_source_set_error(&s, 5), EINVAL);
        ck_assert_int_eq(vt_source_reset(&s), EINVAL);
        ck_assert_int_eq(vt_source_fini(&s), EINVAL);
        v = vt_from_source(&s);
        ck_assert_int_eq(vt_await(&v, NULL), EINVAL);
        ck_assert_int_eq(memcmp(&s, &copy, sizeof s), 0);
    }
    vt_source_init(&s);
    ck_assert_int_eq(vt_source_set_error(&s, 0), EINVAL);
    v = vt_from_source(&s);
    ck_assert(!vt_is_completed(&v));
    ck_assert_int_eq(vt_source_set_value(&s, as_i64(1)), 0);
    ck_assert_int_eq(vt_await(&v, NULL), 0);
    ck_assert_int_eq(vt_source_fini(&s), 0);
}
END_TEST

/* ---- staleness ---- */

START_TEST(reset_makes_outstanding_value_tasks_stale) {
    for (int ended = 0; ended < 2; ended++)
        for (int by_fini = 0; by_fini < 2; by_fini++)
            for (int use = 0; use < 4; use++) {
                vt_source s;
                vt v;
                task_value got = as_i64(-7);
                unsigned reports_before;
                const char *made;
                listen_to_reports();
                vt_source_init(&s), made = VTASK_WHERE;
                v = vt_from_source(&s);
                if (ended)
                    ck_assert_int_eq(vt_source_set_value(&s, as_i64(1)), 0);
                ck_assert_int_eq(by_fini ? vt_source_fini(&s) : vt_source_reset(&s), 0);
                ck_assert(vt_is_completed(&v));
                ck_assert_uint_eq(reports_count(&heard), 0);
                reports_before = reports_count(&heard);
                switch (use) {
                case 0:
                    ck_assert_int_eq(vt_await(&v, &got), VT_E_STALE);
                    break;
                case 1:
                    errno = 0;
                    ck_assert_ptr_null(vt_as_task(&v));
                    ck_assert_int_eq(errno, VT_E_STALE);
                    break;
                case 2:
                    vt_discard(&v);
                    break;
                default:
                    ck_assert_int_eq(vt_await_now(v, &got), VT_E_STALE);
                    break;
                }
                ck_assert_int_eq(got.i64, -7);
                ck_assert_uint_eq(reports_count(&heard), reports_before + 1);
                ck_assert_int_eq(heard.kept[0].code, VT_E_STALE);
                if (!by_fini)
                    ck_assert_str_eq(heard.kept[0].origin, made);
                if (!by_fini)
                    ck_assert_int_eq(vt_source_fini(&s), 0);
            }
}
END_TEST

START_TEST(value_task_of_an_ended_source_stays_stale_when_another_begins_at_its_place) {
    vt_source s;
    listen_to_reports();
    for (unsigned uses = 0; uses < 4; uses++) {
        vt_source_init(&s);
        for (unsigned i = 0; i < uses; i++)
            must(vt_source_reset(&s) == 0);
        vt old = vt_from_source(&s);
        ck_assert_int_eq(vt_source_fini(&s), 0);
        vt_source_init(&s);
        vt v = vt_from_source(&s);
        task_value got = as_i64(-1);
        ck_assert_int_eq(vt_source_set_value(&s, as_i64(5)), 0);
        ck_assert_int_eq(vt_await(&old, &got), VT_E_STALE);
        ck_assert_int_eq(got.i64, -1);
        ck_assert_int_eq(vt_await(&v, &got), 0);
        ck_assert_int_eq(got.i64, 5);
        ck_assert_int_eq(vt_source_fini(&s), 0);
    }
    ck_assert_uint_eq(reports_count(&heard), 4);
}
END_TEST

START_TEST(old_value_task_stays_stale_however_often_the_source_is_used_again) {
    enum { KEPT = 8 };
    vt_source s;
    vt old[KEPT];
    listen_to_reports();
    vt_source_init(&s);
    for (unsigned k = 0; k < KEPT; k++) {
        old[k] = vt_from_source(&s);
        must(vt_source_reset(&s) == 0);
    }
    for (unsigned i = 0; i < 300000; i++) {
        must(vt_is_completed(&old[i % KEPT]));
        must(vt_source_reset(&s) == 0);
    }
    ck_assert_int_eq(vt_source_set_value(&s, as_i64(1)), 0);
    for (unsigned k = 0; k < KEPT; k++)
        ck_assert_int_eq(vt_await(&old[k], NULL), VT_E_STALE);
    vt v = vt_from_source(&s);
    ck_assert_int_eq(vt_await(&v, NULL), 0);
    ck_assert_uint_eq(reports_count(&heard), KEPT);
    ck_assert_int_eq(vt_source_fini(&s), 0);
}
END_TEST

START_TEST(spent_value_task_is_repeated_whatever_became_of_its_source) {
    static const unsigned char fills[] = {0x00, 0xff, 0x5a};
    for (int fate = 0; fate < 6; fate++) {
        vt_source *s = calloc(1, sizeof *s);
        vt awaited, converted, discarded;
        listen_to_reports();
        vt_source_init(s);
        ck_assert_int_eq(vt_source_set_value(s, as_i64(1)), 0);
        awaited = vt_from_source(s);
        converted = vt_from_source(s);
        discarded = vt_from_source(s);
        ck_assert_int_eq(vt_await(&awaited, NULL), 0);
        ck_assert_int_eq(task_join(vt_as_task(&converted), NULL), 0);
        vt_discard(&discarded);
        if (fate >= 1)
            ck_assert_int_eq(vt_source_reset(s), 0);
        if (fate >= 2)
            ck_assert_int_eq(vt_source_fini(s), 0);
        if (fate >= 3)
            memset(s, fills[fate - 3], sizeof *s);
        if (fate == 5) {
            free(s);
            s = NULL;
        }
        ck_assert_int_eq(vt_await(&awaited, NULL), VT_E_REPEATED);
        ck_assert_int_eq(vt_await(&converted, NULL), VT_E_CONVERTED);
        ck_assert_int_eq(vt_await(&discarded, NULL), VT_E_DISCARDED);
        ck_assert_uint_eq(reports_count(&heard), 3);
        if (fate < 2)
            ck_assert_int_eq(vt_source_fini(s), 0);
        free(s);
    }
}
END_TEST

/* ---- thirty-two ---- */

START_TEST(thirty_two_value_tasks_stand_before_a_source_and_one_more_overflows) {
    enum { PLACES = 32 };
    vt_source s;
    vt v[PLACES], extra;
    listen_to_reports();
    vt_source_init(&s);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < PLACES; i++)
            v[i] = vt_from_source(&s);
        extra = vt_from_source(&s);
        ck_assert_int_eq(vt_await(&extra, NULL), VTASK_E_OVERFLOW);
        for (unsigned i = 0; i < 100; i++) {
            vt_discard(&v[i % PLACES]);
            v[i % PLACES] = vt_from_source(&s);
            ck_assert(!vt_is_completed(&v[i % PLACES]));
        }
        if (round % 2 == 0) { /* spent by awaits */
            ck_assert_int_eq(vt_source_set_value(&s, as_i64(round)), 0);
            for (unsigned i = 0; i < PLACES; i++) {
                task_value got;
                ck_assert_int_eq(vt_await(&v[i], &got), 0);
                ck_assert_int_eq(got.i64, round);
            }
        } /* else: gone stale with all 32 out; the next use has 32 places again */
        ck_assert_int_eq(vt_source_reset(&s), 0);
    }
    ck_assert_uint_eq(reports_count(&heard), 0);
    ck_assert_int_eq(vt_source_fini(&s), 0);
}
END_TEST

/* ---- busy ---- */

START_TEST(source_with_a_waiting_task_is_busy) {
    vt_source s;
    vt v;
    task *t;
    vt_source_init(&s);
    v = vt_from_source(&s);
    t = vt_as_task(&v);
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(vt_source_reset(&s), EBUSY);
    ck_assert_int_eq(vt_source_fini(&s), EBUSY);
    ck_assert_int_eq(task_error(t), EAGAIN);
    ck_assert_int_eq(vt_source_set_value(&s, as_i64(4)), 0);
    ck_assert_int_eq(task_error(t), 0);
    ck_assert_int_eq(vt_source_reset(&s), 0);
    task_value got;
    ck_assert_int_eq(task_join(t, &got), 0); /* its outcome is its own by now */
    ck_assert_int_eq(got.i64, 4);
    ck_assert_int_eq(vt_source_fini(&s), 0);
}
END_TEST

typedef struct awaiter {
    vt v;
    gate ready;
    int err;
    task_value got;
} awaiter;

static void *await_it(void *arg) {
    awaiter *a = arg;
    gate_arrive(&a->ready);
    a->err = vt_await(&a->v, &a->got);
    return NULL;
}

static int await_it_in_task(void *arg, task_value *result) {
    (void)result;
    await_it(arg);
    return 0;
}

/* Reset against an await that is just beginning: either it comes first (the await is stale) or it is told EBUSY
 * (and the await gets its value); nothing else, and in the end EBUSY has been seen. */
START_TEST(awaited_source_is_busy_and_the_awaiter_is_undisturbed) {
    bool in_pool = _i & 1, by_fini = _i & 2;
    task_pool *pool = pool_of(1);
    unsigned busy = 0, tries;
    vt_on_misuse(record, &heard);
    for (tries = 0; tries < 100000 && busy < 20; tries++) {
        vt_source s;
        awaiter a = {.ready = GATE_INIT, .got = {.i64 = -7}};
        crew c = {.n = 0};
        task *t = NULL;
        int code;
        vt_source_init(&s);
        a.v = vt_from_source(&s);
        if (in_pool)
            t = run_in(pool, await_it_in_task, &a);
        else
            crew_add(&c, await_it, &a);
        gate_await(&a.ready, 1);
        for (unsigned spin = 0; spin < tries % 64; spin++)
            sched_yield();
        if (tries % 4 == 3)
            breathe();
        code = by_fini ? vt_source_fini(&s) : vt_source_reset(&s);
        must(code == 0 || code == EBUSY);
        if (code == EBUSY) {
            busy++;
            must(vt_source_reset(&s) == EBUSY);
            must(vt_source_fini(&s) == EBUSY);
            must(vt_source_set_value(&s, as_i64(5)) == 0);
        }
        crew_join(&c);
        if (t != NULL)
            must(task_join(t, NULL) == 0);
        if (code == EBUSY)
            must(a.err == 0 && a.got.i64 == 5);
        else
            must(a.err == VT_E_STALE && a.got.i64 == -7);
        if (code == EBUSY || !by_fini)
            must(vt_source_fini(&s) == 0);
    }
    ck_assert_uint_ge(busy, 20);
    close_pool(pool);
}
END_TEST

/* ---- completion against awaits ---- */

typedef struct setter {
    vt_source *s;
    pthread_barrier_t *start;
    int64_t *plain;
    int n;
    atomic_int *won;
    int won_by_me;
} setter;

static void *set_it(void *arg) {
    setter *x = arg;
    int code;
    pthread_barrier_wait(x->start);
    x->plain[x->n] = 100 + x->n;
    code = x->n % 2 ? vt_source_set_value(x->s, as_i64(x->n)) : vt_source_set_error(x->s, x->n + 1000);
    must(code == 0 || code == EALREADY);
    x->won_by_me = code == 0;
    if (code == 0)
        atomic_fetch_add(x->won, 1);
    return NULL;
}

typedef struct race_awaiter {
    vt v;
    pthread_barrier_t *start;
    int64_t *plain;
    int err;
    task_value got;
} race_awaiter;

static void *await_race(void *arg) {
    race_awaiter *a = arg;
    int winner;
    pthread_barrier_wait(a->start);
    a->got = as_i64(-7);
    a->err = vt_await(&a->v, &a->got);
    winner = a->err ? a->err - 1000 : (int)a->got.i64;
    must(winner >= 0 && winner < 4);
    must(a->plain[winner] == 100 + winner); /* what the completer did happened before */
    return NULL;
}

START_TEST(one_of_many_setters_wins_and_every_awaiter_sees_that_outcome) {
    enum { SETTERS = 4, AWAITERS = 12 };
    listen_to_reports();
    for (unsigned round = 0; round < scaled(400); round++) {
        vt_source s;
        pthread_barrier_t start;
        int64_t plain[SETTERS] = {0};
        setter setters[SETTERS];
        race_awaiter awaiters[AWAITERS];
        atomic_int won = 0;
        crew c = {.n = 0};
        int winner = -1;
        vt_source_init(&s);
        pthread_barrier_init(&start, NULL, SETTERS + AWAITERS);
        for (unsigned i = 0; i < AWAITERS; i++) {
            awaiters[i].v = vt_from_source(&s);
            awaiters[i].start = &start;
            awaiters[i].plain = plain;
            crew_add(&c, await_race, &awaiters[i]);
        }
        for (int i = 0; i < SETTERS; i++) {
            setters[i] = (setter){&s, &start, plain, i, &won, 0};
            crew_add(&c, set_it, &setters[i]);
        }
        crew_join(&c);
        must(atomic_load(&won) == 1);
        for (int i = 0; i < SETTERS; i++)
            if (setters[i].won_by_me)
                winner = i;
        for (unsigned i = 0; i < AWAITERS; i++) {
            must(awaiters[i].err == (winner % 2 ? 0 : winner + 1000));
            must(awaiters[i].got.i64 == (winner % 2 ? winner : -7));
        }
        must(vt_source_fini(&s) == 0); /* the last await has returned: not busy any more */
        pthread_barrier_destroy(&start);
    }
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

/* Each use of a source is awaited by two threads at once, from copies, while its owner goes on to the next uses. */
enum { LATE_ROUNDS_MOST = 40000 };

typedef struct late {
    pthread_barrier_t *round;
    const vt *uses;
    unsigned rounds, won;
    atomic_uint *over;
} late;

static void *await_late(void *arg) {
    late *a = arg;
    for (unsigned i = 0; i < a->rounds; i++) {
        task_value got = as_i64(-7);
        pthread_barrier_wait(a->round);
        vt copy = a->uses[i];
        int err = vt_await(&copy, &got);
        must(err == 0 || err == VT_E_STALE || err == VT_E_REPEATED || err == VT_E_CONCURRENT);
        must(got.i64 == (err == 0 ? (int64_t)i : -7)); /* its own use's, or none */
        a->won += err == 0;
        atomic_fetch_add(a->over, 1);
    }
    return NULL;
}

START_TEST(await_that_comes_late_never_gets_another_uses_value) {
    static vt uses[LATE_ROUNDS_MOST];
    unsigned rounds = scaled(LATE_ROUNDS_MOST);
    pthread_barrier_t round;
    atomic_uint over = 0;
    late awaiters[2] = {{&round, uses, rounds, 0, &over}, {&round, uses, rounds, 0, &over}};
    crew c = {.n = 0};
    vt_source s;
    vt_on_misuse(record, &heard);
    vt_source_init(&s);
    pthread_barrier_init(&round, NULL, 3);
    crew_add(&c, await_late, &awaiters[0]);
    crew_add(&c, await_late, &awaiters[1]);
    for (unsigned i = 0; i < rounds; i++) {
        uses[i] = vt_from_source(&s);
        must(vt_source_set_value(&s, as_i64(i)) == 0);
        pthread_barrier_wait(&round);
        for (unsigned spin = 0; spin < i % 64; spin++)
            atomic_signal_fence(memory_order_seq_cst);
        do {
            must(vt_source_reset(&s) == 0); /* what is complete is never busy */
            must(vt_source_set_value(&s, as_i64(-1)) == 0);
        } while (atomic_load(&over) != 2 * (i + 1));
        must(vt_source_reset(&s) == 0);
    }
    crew_join(&c);
    ck_assert_uint_le(awaiters[0].won + awaiters[1].won, rounds);
    ck_assert_int_eq(vt_source_fini(&s), 0);
    pthread_barrier_destroy(&round);
}
END_TEST

/* A reader and a writer pass a source to and fro, as a socket would: set by one, awaited and reset by the other. */
typedef struct stream {
    vt_source s[2];
    unsigned n;
} stream;

static void *write_stream(void *arg) {
    stream *x = arg;
    for (unsigned i = 0; i < x->n; i++) {
        vt v = vt_from_source(&x->s[1]);
        must(vt_source_set_value(&x->s[0], as_i64(i)) == 0);
        must(vt_await(&v, NULL) == 0);
        must(vt_source_reset(&x->s[1]) == 0);
    }
    return NULL;
}

START_TEST(source_pair_passes_values_between_two_threads) {
    stream x = {.n = scaled(20000)};
    crew c = {.n = 0};
    vt next;
    listen_to_reports();
    vt_source_init(&x.s[0]);
    vt_source_init(&x.s[1]);
    next = vt_from_source(&x.s[0]);
    crew_add(&c, write_stream, &x);
    for (unsigned i = 0; i < x.n; i++) {
        task_value got;
        must(vt_await(&next, &got) == 0);
        must(got.i64 == (int64_t)i);
        must(vt_source_reset(&x.s[0]) == 0);
        next = vt_from_source(&x.s[0]);
        must(vt_source_set_value(&x.s[1], as_i64(0)) == 0);
    }
    crew_join(&c);
    vt_discard(&next);
    ck_assert_int_eq(vt_source_fini(&x.s[0]), 0);
    ck_assert_int_eq(vt_source_fini(&x.s[1]), 0);
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("source");
    TCase *c = case_in(s, "source");
    tcase_add_test(c, source_serves_a_hundred_thousand_generations);
    tcase_add_test(c, first_outcome_stands_and_a_second_is_ealready);
    tcase_add_test(c, source_given_wrongly_is_einval_and_untouched);
    tcase_add_test(c, reset_makes_outstanding_value_tasks_stale);
    tcase_add_test(c, value_task_of_an_ended_source_stays_stale_when_another_begins_at_its_place);
    tcase_add_test(c, old_value_task_stays_stale_however_often_the_source_is_used_again);
    tcase_add_test(c, spent_value_task_is_repeated_whatever_became_of_its_source);
    tcase_add_test(c, thirty_two_value_tasks_stand_before_a_source_and_one_more_overflows);
    tcase_add_test(c, source_with_a_waiting_task_is_busy);
    tcase_add_loop_test(c, awaited_source_is_busy_and_the_awaiter_is_undisturbed, 0, 4);
    tcase_add_test(c, one_of_many_setters_wins_and_every_awaiter_sees_that_outcome);
    tcase_add_test(c, await_that_comes_late_never_gets_another_uses_value);
    tcase_add_test(c, source_pair_passes_values_between_two_threads);
    return s;
}

int main(int argc, char **argv) { return suite_main(argc, argv, make, NULL, 0); }
