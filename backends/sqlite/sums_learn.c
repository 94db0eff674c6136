/* The scrubber: goes through the database file page by page, verifies what has a sum and gives one
 * to what has none. Without it damage of a page that nobody reads would be found when it is needed,
 * and pages of an older database would never have a sum.
 *
 * It works a twentieth of the time at most, as long as a page is unknown and then once a day. It
 * runs on the flusher's thread, which alone writes to the file, so that no page changes meanwhile.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/sums.h"

#include "base/clock.h"

#include <stdlib.h>

enum { TURN_US = 4000, PAUSE_TURNS = 20, PAGES_BETWEEN_LOOKS = 16 };

static bool is_due(struct sqlite_sums *s, int64_t now_us)
{
    struct sums_figures now;
    if (!atomic_load(&s->on) || now_us < s->scrub_next_us)
        return false;
    sqlite_sums_get_figures(s, &now);
    return s->scrub_at != 0 || now.unknown > 0 ||
           clock_wall().ms - now.full_pass_ms >= s->scrub_interval_ms;
}

static void look_at_page(struct sqlite_sums *s, uint32_t page, unsigned char *bytes)
{
    uint32_t known = sums_get(s, page);
    if (!sums_read_page(s, page, bytes))
        return; /* the disk's own complaint will be heard by who needs the page */
    uint32_t sum = sums_of(page, bytes, s->page_bytes);
    if (known == 0)
        sums_set(s, page, sum);
    else
        sums_note_damage(s, page, known != sum);
}

void sqlite_sums_scrub(struct sqlite_sums *s)
{
    int64_t begin_us = clock_mono().us, now_us = begin_us;
    unsigned char *bytes = is_due(s, begin_us) ? malloc(s->page_bytes) : NULL;
    if (bytes == NULL)
        return;
    uint32_t pages = atomic_load(&s->pages);
    if (s->scrub_at == 0)
        s->scrub_at = 1;
    while (s->scrub_at <= pages && now_us - begin_us < TURN_US) {
        look_at_page(s, s->scrub_at, bytes);
        if (s->scrub_at++ % PAGES_BETWEEN_LOOKS == 0)
            now_us = clock_mono().us;
    }
    free(bytes);
    now_us = clock_mono().us;
    s->scrub_next_us = now_us + (now_us - begin_us) * PAUSE_TURNS;
    if (s->scrub_at <= pages)
        return;
    s->scrub_at = 0;
    sums_file_note_pass(s, clock_wall().ms);
}
