/* Cells, distances and areas: known places, and what must hold for all of them. That the figures
 * are those of Redis to the last bit is asked by the transcripts and the differential test.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/geohash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 200, PLACES = 200 };

static const struct geo_point PALERMO = {13.361389, 38.115556}, CATANIA = {15.087269, 37.502669};

static double between(double low, double high)
{
    return low + (high - low) * ((double)rand() / RAND_MAX);
}

static struct geo_point somewhere(double lon_max, double lat_max)
{
    return (struct geo_point){between(-lon_max, lon_max), between(-lat_max, lat_max)};
}

static void a_place_has_the_cell_that_redis_gives_it(void **state)
{
    (void)state;
    assert_true(geo_encode(PALERMO) == UINT64_C(3479099956230698));
    assert_true(geo_encode(CATANIA) == UINT64_C(3479447370796909));
    assert_true(geo_encode((struct geo_point){-180, -85.05112878}) == 0);
    assert_true(geo_encode((struct geo_point){0, 0}) == UINT64_C(3) << 50);
    /* The eastern and the northern edge lie after the last column and row. */
    assert_true(geo_encode((struct geo_point){180, -85.05112878}) == UINT64_C(1) << 53);
    assert_true(geo_encode((struct geo_point){-180, 85.05112878}) == UINT64_C(1) << 52);
}

static void the_edges_of_the_map_are_on_it_and_nothing_beyond(void **state)
{
    (void)state;
    assert_true(geo_is_valid((struct geo_point){180, 85.05112878}));
    assert_true(geo_is_valid((struct geo_point){-180, -85.05112878}));
    assert_false(geo_is_valid((struct geo_point){180.0000001, 0}));
    assert_false(geo_is_valid((struct geo_point){0, 85.051128781}));
    assert_false(geo_is_valid((struct geo_point){INFINITY, 0}));
    assert_false(geo_is_valid((struct geo_point){0, NAN}));
}

static void a_cell_is_decoded_to_a_place_in_it(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS * PLACES; i++) {
        struct geo_point p = somewhere(180, 85.05112878);
        double score = (double)geo_encode(p);
        struct geo_point middle = geo_decode(score);
        assert_true(fabs(middle.lon - p.lon) <= 180.0 / (1 << 26));
        assert_true(fabs(middle.lat - p.lat) <= 85.05112878 / (1 << 26));
        assert_true((double)geo_encode(middle) == score);
    }
}

static void any_score_has_a_place_on_the_map(void **state)
{
    (void)state;
    static const double scores[] = {-1,     -0.5,    0x1p52,   0x1p53,    0x1p63, 0x1.8p63, 0x1p64,
                                    0x1p70, -0x1p63, INFINITY, -INFINITY, 5e-324, 1e308,    -1e308};
    for (size_t i = 0; i < COUNT_OF(scores); i++)
        assert_true(geo_is_valid(geo_decode(scores[i])));
}

static void the_text_is_the_standard_geohash(void **state)
{
    (void)state;
    char text[GEO_TEXT + 1] = "";
    geo_text(PALERMO, text);
    assert_string_equal(text, "sqc8b49rny0");
    geo_text((struct geo_point){-5.60302734375, 42.60498046875}, text);
    assert_memory_equal(text, "ezs42", 5); /* the example of geohash.org */
    geo_text((struct geo_point){180, 85.05112878}, text);
    assert_int_equal(text[GEO_TEXT - 1], '0');
}

static void units_are_known_in_any_case(void **state)
{
    (void)state;
    assert_true(geo_unit(SLICE("m")) == 1 && geo_unit(SLICE("KM")) == 1000);
    assert_true(geo_unit(SLICE("fT")) == 0.3048 && geo_unit(SLICE("mi")) == 1609.34);
    assert_true(geo_unit(SLICE("")) == 0 && geo_unit(SLICE("kmm")) == 0);
}

static void a_distance_is_the_same_both_ways_and_fits_the_globe(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof(text), "%.4f", geo_distance(PALERMO, CATANIA));
    assert_string_equal(text, "166274.2578");
    assert_true(geo_distance(PALERMO, PALERMO) == 0);
    for (int i = 0; i < ROUNDS * PLACES; i++) {
        struct geo_point a = somewhere(180, 85), b = somewhere(180, 85);
        double d = geo_distance(a, b);
        assert_true(fabs(d - geo_distance(b, a)) < 1e-3);
        assert_true(d >= 0 && d <= M_PI * 6372797.560856 + 1);
    }
}

static void a_degree_of_latitude_is_as_long_everywhere(void **state)
{
    (void)state;
    double degree = M_PI / 180 * 6372797.560856;
    for (int lat = -80; lat < 80; lat++) {
        struct geo_point a = {7, lat}, b = {7, lat + 1};
        assert_true(fabs(geo_distance(a, b) - degree) < 1e-6 * degree);
    }
}

static struct geo_area some_area(double lon_max, double lat_max, double metres_max)
{
    struct geo_area a = {.center = somewhere(lon_max, lat_max),
                         .box = rand() % 2 == 0,
                         .unit_m = rand() % 2 == 0 ? 1 : 1609.34};
    /* As many small ones as large ones. */
    a.radius = exp(between(0, log(metres_max))) / a.unit_m;
    a.width = exp(between(0, log(metres_max))) / a.unit_m;
    a.height = exp(between(0, log(metres_max))) / a.unit_m;
    return a;
}

static bool is_covered(const struct geo_range *ranges, uint32_t n, double score)
{
    uint32_t times = 0;
    for (uint32_t i = 0; i < n; i++)
        times += score >= ranges[i].first && score < ranges[i].end;
    assert_true(times <= 1);
    return times == 1;
}

/* A place in the area or a little outside. */
static struct geo_point near(const struct geo_area *a)
{
    double reach_m = a->unit_m * (a->box ? fmax(a->width, a->height) : a->radius);
    double lat = reach_m / 111000, lon = lat / cos(a->center.lat * M_PI / 180);
    struct geo_point p = {a->center.lon + between(-lon, lon), a->center.lat + between(-lat, lat)};
    p.lon = fmin(fmax(p.lon, -179.9), 179.9);
    p.lat = fmin(fmax(p.lat, -85), 85);
    return p;
}

static void a_search_covers_every_place_of_its_area(void **state)
{
    (void)state;
    size_t inside = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct geo_area a = some_area(140, 60, 1500000);
        struct geo_range ranges[GEO_RANGES];
        uint32_t n = geo_cover(&a, ranges);
        assert_in_range(n, 1, GEO_RANGES);
        for (int k = 0; k < PLACES; k++) {
            double distance_m, score = (double)geo_encode(near(&a));
            if (!geo_within(&a, geo_decode(score), &distance_m))
                continue;
            inside++;
            assert_true(is_covered(ranges, n, score));
        }
    }
    assert_true(inside > ROUNDS * PLACES / 10);
}

static void a_small_search_looks_at_a_small_part_of_the_map(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct geo_area a = some_area(180, 60, 1000);
        struct geo_range ranges[GEO_RANGES];
        uint32_t n = geo_cover(&a, ranges);
        double cells = 0;
        for (uint32_t k = 0; k < n; k++)
            cells += ranges[k].end - ranges[k].first;
        assert_true(cells / 0x1p52 < 1e-6);
    }
}

static void ranges_never_overlap_whatever_the_area(void **state)
{
    (void)state;
    static const double sizes[] = {0, 5e-324, 1e-3, 1e7, 2.1e7, 1e300, INFINITY};
    for (int i = 0; i < ROUNDS * 10; i++) {
        struct geo_area a = some_area(180, 85.05112878, 4e7);
        struct geo_range r[GEO_RANGES];
        if (i % 3 == 0)
            a.radius = a.width = a.height = sizes[(size_t)i / 3 % COUNT_OF(sizes)];
        if (i % 5 == 0)
            a.center = (struct geo_point){i % 2 == 0 ? 180 : -180, i % 4 < 2 ? 85.05112878 : -85};
        uint32_t n = geo_cover(&a, r);
        assert_in_range(n, 1, GEO_RANGES);
        for (uint32_t x = 0; x < n; x++) {
            assert_true(r[x].first < r[x].end && r[x].first >= 0);
            for (uint32_t y = 0; y < x; y++)
                assert_true(r[x].end <= r[y].first || r[y].end <= r[x].first);
        }
    }
}

static void a_box_is_not_a_circle(void **state)
{
    (void)state;
    struct geo_area box = {
        .center = {0, 0}, .box = true, .width = 200, .height = 20, .unit_m = 1000};
    struct geo_area circle = {.center = {0, 0}, .radius = 100, .unit_m = 1000};
    double d;
    assert_true(geo_within(&box, (struct geo_point){0.89, 0.08}, &d));
    assert_true(d > 98000 && d < 100000);
    assert_false(geo_within(&box, (struct geo_point){0.91, 0}, &d));
    assert_false(geo_within(&box, (struct geo_point){0, 0.1}, &d));
    assert_true(geo_within(&circle, (struct geo_point){0, 0.1}, &d));
    assert_false(geo_within(&circle, (struct geo_point){0.89, 0.2}, &d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_has_the_cell_that_redis_gives_it),
        cmocka_unit_test(the_edges_of_the_map_are_on_it_and_nothing_beyond),
        cmocka_unit_test(a_cell_is_decoded_to_a_place_in_it),
        cmocka_unit_test(any_score_has_a_place_on_the_map),
        cmocka_unit_test(the_text_is_the_standard_geohash),
        cmocka_unit_test(units_are_known_in_any_case),
        cmocka_unit_test(a_distance_is_the_same_both_ways_and_fits_the_globe),
        cmocka_unit_test(a_degree_of_latitude_is_as_long_everywhere),
        cmocka_unit_test(a_search_covers_every_place_of_its_area),
        cmocka_unit_test(a_small_search_looks_at_a_small_part_of_the_map),
        cmocka_unit_test(ranges_never_overlap_whatever_the_area),
        cmocka_unit_test(a_box_is_not_a_circle),
    };
    srand(7);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
