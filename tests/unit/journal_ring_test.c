/* A ring hands records over in order, gives space back, and can be read after a kill.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/ring.h"
#include "tests/support/simfs.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const uint8_t store[16] = {5}, boot[16] = {6};
static struct simfs *disk;
static struct format_key key;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    disk = simfs_new(1);
    format_key_init(&key, store);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    simfs_free(&disk);
    return 0;
}

static struct ring create(uint64_t bytes)
{
    struct ring r = {0};
    assert_int_equal(ring_create(simfs_fs(disk), "d/ring-0", bytes, &r, &err), RC_OK);
    ring_reset(&r, store, boot, 0, 11);
    return r;
}

static bool put(struct ring *r, uint64_t lsn, size_t len)
{
    static char payload[1 << 16];
    memset(payload, (int)lsn, len);
    struct slice parts[2] = {{payload, len / 2}, {payload + len / 2, len - len / 2}};
    struct record_header head = {.lsn = lsn, .len = (uint32_t)len};
    return ring_put(r, &key, &head, parts, 2);
}

static void take(struct ring *r, uint64_t lsn, size_t len)
{
    bool bad = false;
    const struct record_header *record = ring_peek(r, &key, &bad);
    assert_non_null(record);
    assert_int_equal(record->lsn, lsn);
    assert_int_equal(record->len, len);
    const char *p = (const char *)(record + 1);
    for (size_t i = 0; i < len; i++)
        assert_int_equal((unsigned char)p[i], lsn & 0xff);
    ring_skip(r, record);
}

static void records_come_out_in_order_through_many_laps(void **state)
{
    (void)state;
    struct ring r = create(4096);
    uint64_t in = 0, out = 0;
    for (int i = 0; i < 3000; i++) {
        while (put(&r, in + 1, (in * 37) % 1500))
            in++;
        assert_true(in > out);
        while (out < in) {
            take(&r, out + 1, (out * 37) % 1500);
            out++;
            if (out % 3 == 0)
                ring_release(&r, 0);
        }
        ring_release(&r, 0);
        assert_int_equal(ring_used(&r), 0);
    }
    bool bad;
    assert_null(ring_peek(&r, &key, &bad));
    ring_close(simfs_fs(disk), &r);
}

static void space_comes_back_only_when_released(void **state)
{
    (void)state;
    struct ring r = create(4096);
    uint64_t lsn = 0;
    while (put(&r, lsn + 1, 100))
        lsn++;
    assert_false(ring_has_room(&r, format_record_bytes(100)));
    for (uint64_t i = 1; i <= lsn; i++)
        take(&r, i, 100);
    assert_false(ring_has_room(&r, format_record_bytes(100)));
    ring_release(&r, 0);
    assert_true(ring_has_room(&r, format_record_bytes(100)));
    ring_close(simfs_fs(disk), &r);
}

static void the_largest_record_always_fits_into_an_empty_ring(void **state)
{
    (void)state;
    struct ring r = create(4096);
    size_t largest = ring_record_max(&r) - sizeof(struct record_header);
    uint64_t lsn = 0;
    for (size_t step = 0; step < 200; step++) {
        assert_true(put(&r, ++lsn, step % 70));
        take(&r, lsn, step % 70);
        ring_release(&r, 0);
        assert_true(put(&r, ++lsn, largest));
        take(&r, lsn, largest);
        ring_release(&r, 0);
    }
    assert_false(ring_has_room(&r, 4097));
    ring_close(simfs_fs(disk), &r);
}

static void an_empty_payload_keeps_its_header(void **state)
{
    (void)state;
    struct ring r = create(4096);
    struct record_header head = {.lsn = 9, .flags = 1, .db = 2};
    bool bad = false;
    assert_true(ring_put(&r, &key, &head, NULL, 0));
    const struct record_header *record = ring_peek(&r, &key, &bad);
    assert_non_null(record);
    assert_int_equal(record->flags, 1);
    assert_int_equal(record->db, 2);
    ring_close(simfs_fs(disk), &r);
}

static void after_a_kill_the_ring_holds_what_was_not_released(void **state)
{
    (void)state;
    struct ring r = create(4096), again;
    for (uint64_t lsn = 1; lsn <= 10; lsn++)
        assert_true(put(&r, lsn, 50));
    take(&r, 1, 50);
    take(&r, 2, 50);
    ring_release(&r, 0);
    take(&r, 3, 50); /* taken, and not released: still there */
    struct simfs *later = simfs_after(disk, SIMFS_KILLED, 1);
    ring_close(simfs_fs(disk), &r);
    assert_int_equal(ring_open(simfs_fs(later), "d/ring-0", store, &again, &err), RC_OK);
    assert_int_equal(again.page->generation, 11);
    for (uint64_t lsn = 3; lsn <= 10; lsn++)
        take(&again, lsn, 50);
    bool bad = false;
    assert_null(ring_peek(&again, &key, &bad));
    assert_false(bad);
    ring_close(simfs_fs(later), &again);
    simfs_free(&later);
}

static void a_damaged_record_ends_the_reading(void **state)
{
    (void)state;
    struct ring r = create(4096);
    put(&r, 1, 50);
    put(&r, 2, 50);
    put(&r, 3, 50);
    r.data[format_record_bytes(50) + 60] ^= 1;
    take(&r, 1, 50);
    bool bad = false;
    assert_null(ring_peek(&r, &key, &bad));
    assert_true(bad);
    ring_close(simfs_fs(disk), &r);
}

static void a_record_of_an_earlier_generation_does_not_verify(void **state)
{
    (void)state;
    struct ring r = create(4096);
    put(&r, 1, 50);
    char before[96];
    memcpy(before, r.data, sizeof(before));
    ring_reset(&r, store, boot, 0, 12);
    put(&r, 1, 50);
    take(&r, 1, 50);
    memcpy(r.data, before, sizeof(before));
    r.cursor = 0;
    bool bad = false;
    assert_null(ring_peek(&r, &key, &bad));
    assert_true(bad);
    ring_close(simfs_fs(disk), &r);
}

static void a_file_that_is_no_ring_is_refused(void **state)
{
    (void)state;
    struct ring r = create(4096), again;
    const struct fs *fs = simfs_fs(disk);
    uint64_t len;
    ring_close(fs, &r);
    assert_int_equal(ring_open(fs, "d/ring-1", store, &again, &err), RC_NOT_FOUND);
    assert_int_equal(ring_open(fs, "d/ring-0", boot, &again, &err), RC_FOREIGN);
    struct ring_page *page = (void *)simfs_bytes(disk, "d/ring-0", &len);
    atomic_store(&page->write_pos, 5000); /* more than the ring holds */
    assert_int_equal(ring_open(fs, "d/ring-0", store, &again, &err), RC_CORRUPT);
    atomic_store(&page->write_pos, 8);
    atomic_store(&page->read_pos, 16); /* after what was written */
    assert_int_equal(ring_open(fs, "d/ring-0", store, &again, &err), RC_CORRUPT);
    atomic_store(&page->read_pos, 0);
    page->generation++;
    assert_int_equal(ring_open(fs, "d/ring-0", store, &again, &err), RC_CORRUPT);
    page->version = FORMAT_VERSION + 1;
    assert_int_equal(ring_open(fs, "d/ring-0", store, &again, &err), RC_FOREIGN);
    simfs_put(disk, "d/ring-0", "short", 5);
    assert_int_equal(ring_open(fs, "d/ring-0", store, &again, &err), RC_CORRUPT);
}

enum { HANDED_OVER = 200000 };

static void *produce(void *arg)
{
    struct ring *r = arg;
    char payload[64] = "from one thread to the other";
    struct slice part = {payload, sizeof(payload)};
    for (uint64_t lsn = 1; lsn <= HANDED_OVER; lsn++) {
        struct record_header head = {.lsn = lsn, .len = (uint32_t)(lsn % 64)};
        part.len = lsn % 64;
        while (!ring_put(r, &key, &head, &part, 1))
            sched_yield();
    }
    return NULL;
}

static void one_thread_writes_while_another_reads(void **state)
{
    (void)state;
    struct ring r = create(4096);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, &r), 0);
    bool bad = false;
    for (uint64_t lsn = 1; lsn <= HANDED_OVER;) {
        const struct record_header *record = ring_peek(&r, &key, &bad);
        if (record == NULL) {
            assert_false(bad);
            ring_release(&r, 0);
            sched_yield();
            continue;
        }
        assert_int_equal(record->lsn, lsn++);
        ring_skip(&r, record);
        if (lsn % 7 == 0)
            ring_release(&r, 0);
    }
    pthread_join(producer, NULL);
    ring_close(simfs_fs(disk), &r);
}

int main(void)
{
#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RING_TEST(records_come_out_in_order_through_many_laps),
        RING_TEST(space_comes_back_only_when_released),
        RING_TEST(the_largest_record_always_fits_into_an_empty_ring),
        RING_TEST(an_empty_payload_keeps_its_header),
        RING_TEST(after_a_kill_the_ring_holds_what_was_not_released),
        RING_TEST(a_damaged_record_ends_the_reading),
        RING_TEST(a_record_of_an_earlier_generation_does_not_verify),
        RING_TEST(a_file_that_is_no_ring_is_refused),
        RING_TEST(one_thread_writes_while_another_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
