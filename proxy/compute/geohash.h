/* Places on the globe as 52-bit cells of a grid, and which cells a search has to look at.
 *
 * Longitude and latitude are halved in turn, 26 times each; the choices, interleaved (longitude in
 * the odd bits), are the cell. It is the score of a member, so a cell of any size is one range of
 * scores. The grid spans -180..180 by -85.05112878..85.05112878 degrees, the square of the Web
 * Mercator projection; distances are great circles on a sphere (haversine).
 *
 * Scores, distances and the order in which a search meets its cells are those of Redis, to the last
 * bit. Pure functions: nothing here knows commands or sets.
 *
 * The method: G. M. Morton, "A computer oriented geodetic data base" (1966), for the interleaving;
 * R. W. Sinnott, "Virtues of the haversine" (1984); geohash.org for the text.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_GEOHASH_H
#define COMPUTE_GEOHASH_H

#include "base/slice.h"

struct geo_point {
    double lon, lat; /* degrees */
};

/* Where a search looks: a circle, or a box that stands upright on the map. */
struct geo_area {
    struct geo_point center;
    bool box;
    double radius;        /* circles; in units */
    double width, height; /* boxes; in units */
    double unit_m;        /* metres to a unit */
};

struct geo_range { /* scores: first <= score < end */
    double first, end;
};

enum { GEO_TEXT = 11, GEO_RANGES = 9 };

/* Metres to a unit called "m", "km", "ft" or "mi" (any case); 0: there is no such unit. */
double geo_unit(struct slice name);

/* Whether the grid has this place. */
bool geo_is_valid(struct geo_point p);
/* The cell of a valid place. */
uint64_t geo_encode(struct geo_point p);
/* The middle of a cell that is given as a score. Any score has one: what is no cell is moved to the
 * edge of the grid. */
struct geo_point geo_decode(double score);
/* The standard geohash of a place, without terminator; its last character is always '0'. */
void geo_text(struct geo_point p, char out[GEO_TEXT]);

/* Metres. */
double geo_distance(struct geo_point a, struct geo_point b);
/* Whether a place lies in the area, and how many metres from its centre. */
bool geo_within(const struct geo_area *area, struct geo_point p, double *distance_m);
/* The ranges of scores in which all places of the area lie, in the order to be searched; returns
 * how many, at most GEO_RANGES. The ranges do not overlap. */
uint32_t geo_cover(const struct geo_area *area, struct geo_range out[GEO_RANGES]);

#endif
