/* See geohash.h.
 *
 * The order of the floating point operations is part of the behaviour: another order gives other
 * last digits, and at the rim of an area other members.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/geohash.h"

#include <math.h>

enum { STEPS = 26 }; /* halvings of each axis in a stored cell */

static const double LON_MAX = 180, LAT_MAX = 85.05112878;
static const double EARTH_RADIUS_M = 6372797.560856;
static const double MERCATOR_HALF_M = 20037726.37; /* from the map's centre to its edge */

static double radians(double degrees)
{
    return degrees * (M_PI / 180);
}

static double degrees(double radians)
{
    return radians / (M_PI / 180);
}

double geo_unit(struct slice name)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (slice_is_word(name, units[i].name))
            return units[i].metres;
    return 0;
}

/* --- Cells --- */

/* Column and row of a cell in the grid of 2^steps by 2^steps. */
struct cell {
    uint32_t x, y;
};

/* Bit i of n becomes bit 2i: the halves are moved apart, then the quarters, and so on. */
static uint64_t spread(uint32_t n)
{
    static const uint64_t keep[] = {0x0000ffff0000ffff, 0x00ff00ff00ff00ff, 0x0f0f0f0f0f0f0f0f,
                                    0x3333333333333333, 0x5555555555555555};
    uint64_t bits = n;
    for (unsigned i = 0, by = 16; i < COUNT_OF(keep); i++, by /= 2)
        bits = (bits | bits << by) & keep[i];
    return bits;
}

/* The other way: every second bit of `bits`, from bit 0 on. */
static uint32_t geohash_gather(uint64_t bits)
{
    static const uint64_t keep[] = {0x3333333333333333, 0x0f0f0f0f0f0f0f0f, 0x00ff00ff00ff00ff,
                                    0x0000ffff0000ffff, 0x00000000ffffffff};
    bits &= 0x5555555555555555;
    for (unsigned i = 0, by = 1; i < COUNT_OF(keep); i++, by *= 2)
        bits = (bits | bits >> by) & keep[i];
    return (uint32_t)bits;
}

static uint64_t cell_bits(struct cell c)
{
    return spread(c.y) | spread(c.x) << 1;
}

/* A place on the eastern or northern edge is in a column or row after the last one. */
static struct cell cell_at(struct geo_point p, double lat_max, unsigned steps)
{
    double side = (double)(UINT64_C(1) << steps);
    return (struct cell){.x = (uint32_t)((p.lon + LON_MAX) / (2 * LON_MAX) * side),
                         .y = (uint32_t)((p.lat + lat_max) / (2 * lat_max) * side)};
}

/* Where column or row n begins, on an axis from -max to max. */
static double edge(double n, double max, unsigned steps)
{
    return -max + n / (double)(UINT64_C(1) << steps) * (2 * max);
}

bool geo_is_valid(struct geo_point p)
{
    return p.lon >= -LON_MAX && p.lon <= LON_MAX && p.lat >= -LAT_MAX && p.lat <= LAT_MAX;
}

uint64_t geo_encode(struct geo_point p)
{
    return cell_bits(cell_at(p, LAT_MAX, STEPS));
}

/* A score that is no 64-bit number counts as the processor of most converts it. */
static uint64_t score_bits(double score)
{
    if (score >= -0x1p63 && score < 0x1p63)
        return (uint64_t)(int64_t)score;
    if (score >= 0x1p63 && score < 0x1p64)
        return (uint64_t)score;
    return score < 0 ? UINT64_C(1) << 63 : 0;
}

static double middle(uint32_t n, double max)
{
    double m = (edge(n, max, STEPS) + edge((double)n + 1, max, STEPS)) / 2;
    return fmin(fmax(m, -max), max);
}

struct geo_point geo_decode(double score)
{
    uint64_t bits = score_bits(score);
    return (struct geo_point){.lon = middle(geohash_gather(bits >> 1), LON_MAX),
                              .lat = middle(geohash_gather(bits), LAT_MAX)};
}

/* The text is of the grid that reaches to the poles, in groups of five bits; two and a half bits
 * short of eleven characters, so the last one says nothing. */
void geo_text(struct geo_point p, char out[GEO_TEXT])
{
    static const char digits[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t bits = cell_bits(cell_at(p, 90, STEPS));
    for (unsigned i = 0; i + 1 < GEO_TEXT; i++)
        out[i] = digits[bits >> (2 * STEPS - 5 * (i + 1)) & 31];
    out[GEO_TEXT - 1] = digits[0];
}

/* --- Distances --- */

static double distance_along_meridian(double lat_a, double lat_b)
{
    return EARTH_RADIUS_M * fabs(radians(lat_b) - radians(lat_a));
}

double geo_distance(struct geo_point a, struct geo_point b)
{
    double v = sin((radians(b.lon) - radians(a.lon)) / 2);
    if (v == 0)
        return distance_along_meridian(a.lat, b.lat);
    double lat_a = radians(a.lat), lat_b = radians(b.lat);
    double u = sin((lat_b - lat_a) / 2);
    return 2 * EARTH_RADIUS_M * asin(sqrt(u * u + cos(lat_a) * cos(lat_b) * v * v));
}

/* A box is as wide at the latitude of the place as it is at its centre. */
static bool within_box(const struct geo_area *a, struct geo_point p)
{
    if (distance_along_meridian(p.lat, a->center.lat) > a->height * a->unit_m / 2)
        return false;
    struct geo_point beside = {a->center.lon, p.lat};
    return geo_distance(p, beside) <= a->width * a->unit_m / 2;
}

bool geo_within(const struct geo_area *a, struct geo_point p, double *distance_m)
{
    if (a->box && !within_box(a, p))
        return false;
    *distance_m = geo_distance(a->center, p);
    return a->box || *distance_m <= a->radius * a->unit_m;
}

/* --- Covering an area ---
 *
 * The cell of the centre and its eight neighbours, of a size that nine of them hold the area. Where
 * the centre lies in its cell decides which neighbours are needed. */

struct bounds {
    double west, south, east, north; /* degrees; may lie beyond the map */
};

/* The degrees of longitude to a distance grow towards the poles: the edge that is nearer to one
 * decides. */
static struct bounds area_bounds(const struct geo_area *a)
{
    double half_height = a->unit_m * (a->box ? a->height / 2 : a->radius);
    double half_width = a->unit_m * (a->box ? a->width / 2 : a->radius);
    double up = degrees(half_height / EARTH_RADIUS_M);
    double edge_lat = a->center.lat < 0 ? a->center.lat - up : a->center.lat + up;
    double aside = degrees(half_width / EARTH_RADIUS_M / cos(radians(edge_lat)));
    return (struct bounds){.west = a->center.lon - aside,
                           .south = a->center.lat - up,
                           .east = a->center.lon + aside,
                           .north = a->center.lat + up};
}

/* How fine the grid may be: cells about as large as the radius, coarser near the poles, where the
 * map stretches. */
static unsigned steps_for(double radius_m, double lat)
{
    if (radius_m == 0)
        return STEPS;
    int steps = -1;
    for (; radius_m < MERCATOR_HALF_M; radius_m *= 2)
        steps++;
    steps -= (fabs(lat) > 66) + (fabs(lat) > 80);
    return steps < 1 ? 1 : steps > STEPS ? STEPS : (unsigned)steps;
}

/* The cell that lies `columns` and `rows` away, around the globe if need be. */
static struct cell neighbour(struct cell c, int columns, int rows, unsigned steps)
{
    uint32_t mask = (uint32_t)((UINT64_C(1) << steps) - 1);
    if (columns != 0)
        c.x = (c.x + (uint32_t)columns) & mask;
    if (rows != 0)
        c.y = (c.y + (uint32_t)rows) & mask;
    return c;
}

static struct bounds cell_bounds(struct cell c, unsigned steps)
{
    return (struct bounds){.west = edge(c.x, LON_MAX, steps),
                           .south = edge(c.y, LAT_MAX, steps),
                           .east = edge((double)c.x + 1, LON_MAX, steps),
                           .north = edge((double)c.y + 1, LAT_MAX, steps)};
}

/* The area may reach over the far edge of a neighbour: then cells twice as large are needed. */
static bool reaches_too_far(struct cell c, unsigned steps, const struct bounds *area)
{
    return cell_bounds(neighbour(c, 0, 1, steps), steps).north < area->north ||
           cell_bounds(neighbour(c, 0, -1, steps), steps).south > area->south ||
           cell_bounds(neighbour(c, 1, 0, steps), steps).east < area->east ||
           cell_bounds(neighbour(c, -1, 0, steps), steps).west > area->west;
}

static struct geo_range cell_range(uint64_t bits, unsigned steps)
{
    unsigned finer = 2 * (STEPS - steps);
    return (struct geo_range){(double)(bits << finer), (double)((bits + 1) << finer)};
}

uint32_t geo_cover(const struct geo_area *a, struct geo_range out[GEO_RANGES])
{
    static const struct {
        int columns, rows;
    } around[GEO_RANGES] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                            {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    struct bounds area = area_bounds(a);
    double half_w = a->width / 2, half_h = a->height / 2;
    double radius_m = a->unit_m * (a->box ? sqrt(half_w * half_w + half_h * half_h) : a->radius);
    unsigned steps = steps_for(radius_m, a->center.lat);
    struct cell center = cell_at(a->center, LAT_MAX, steps);
    if (steps > 1 && reaches_too_far(center, steps, &area))
        center = cell_at(a->center, LAT_MAX, --steps);
    struct bounds own = cell_bounds(center, steps);
    uint64_t last = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < GEO_RANGES; i++) {
        int columns = around[i].columns, rows = around[i].rows;
        bool useless =
            (rows < 0 && own.south < area.south) || (rows > 0 && own.north > area.north) ||
            (columns < 0 && own.west < area.west) || (columns > 0 && own.east > area.east);
        if (steps >= 2 && useless)
            continue;
        uint64_t bits = cell_bits(neighbour(center, columns, rows, steps));
        if (n > 0 && bits == last) /* two by two cells: east is west */
            continue;
        last = bits;
        out[n++] = cell_range(bits, steps);
    }
    return n;
}
