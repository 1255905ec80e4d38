/* The containers of lib/ds, by one thread; by many: stress/. */
#include <check.h>
#include <string.h>
#include <vtask.h>

#include "ds/freelist.h"
#include "ds/inbox.h"
#include "ds/ring.h"

static struct ring ring;
static int items[RING_SLOTS];

START_TEST(ring_gives_the_oldest_first_and_refuses_when_full) {
    vti_ring_init(&ring);
    ck_assert_ptr_null(vti_ring_take_any(&ring));
    for (unsigned turn = 0; turn < 5; turn++) { /* over the end of the slots, too */
        for (unsigned i = 0; i < RING_CAPACITY; i++) {
            ck_assert(vti_ring_push_owner(&ring, &items[i]));
            ck_assert_uint_eq(vti_ring_size(&ring), i + 1);
        }
        ck_assert(!vti_ring_push_owner(&ring, &items[0]));
        for (unsigned i = 0; i < RING_CAPACITY; i++) {
            ck_assert_ptr_eq(vti_ring_take_any(&ring), &items[i]);
        }
        ck_assert_ptr_null(vti_ring_take_any(&ring));
    }
}
END_TEST

enum { ENTRIES = 1000 };

START_TEST(inbox_is_first_in_first_out_in_any_batches) {
    static struct inbox inbox;
    static inbox_entry entries[ENTRIES];
    inbox_entry *out[ENTRIES];
    size_t pushed = 0, taken = 0, batch = 1;
    vti_inbox_init(&inbox);
    ck_assert(!vti_inbox_has_any(&inbox));
    ck_assert_uint_eq(vti_inbox_take_any(&inbox, out, 10), 0);
    while (taken < ENTRIES) {
        for (size_t i = 0; i < 2 * batch && pushed < ENTRIES; i++) {
            vti_inbox_push_any(&inbox, &entries[pushed++]);
        }
        ck_assert(vti_inbox_has_any(&inbox));
        size_t n = vti_inbox_take_any(&inbox, out, batch);
        ck_assert_uint_ge(n, 1);
        ck_assert_uint_le(n, batch);
        for (size_t i = 0; i < n; i++) {
            ck_assert_ptr_eq(out[i], &entries[taken++]);
        }
        batch = batch % 17 + 1;
    }
    ck_assert(!vti_inbox_has_any(&inbox));
    vti_inbox_fini(&inbox);
}
END_TEST

START_TEST(freelist_gives_distinct_blocks_and_takes_them_back_from_home_and_abroad) {
    enum { BLOCKS = 3000, SIZE = 128 };
    static char *blocks[BLOCKS];
    struct freelist list, other;
    vti_freelist_init(&list, SIZE);
    vti_freelist_init(&other, SIZE);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = vti_freelist_take_owner(&list);
            ck_assert_ptr_nonnull(blocks[i]);
            ck_assert_uint_eq((uintptr_t)blocks[i] % SIZE, 0);
            memset(blocks[i], i & 0x7f, SIZE);
        }
        for (int i = 0; i < BLOCKS; i++) {
            int others = 0;
            for (int b = 0; b < SIZE; b++) {
                others += blocks[i][b] != (i & 0x7f);
            }
            ck_assert_int_eq(others, 0); /* nobody else was given it */
        }
        for (int i = 0; i < BLOCKS; i++) {
            vti_freelist_give_any(i % 2 == 0 ? &list : i % 4 == 1 ? &other : NULL, blocks[i]);
        }
    }
    ck_assert_ptr_null(other.local); /* blocks go to the list they came from */
    vti_freelist_fini(&list);
    vti_freelist_fini(&other);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("containers");
    TCase *c = tcase_create("containers");
    tcase_add_test(c, ring_gives_the_oldest_first_and_refuses_when_full);
    tcase_add_test(c, inbox_is_first_in_first_out_in_any_batches);
    tcase_add_test(c, freelist_gives_distinct_blocks_and_takes_them_back_from_home_and_abroad);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
