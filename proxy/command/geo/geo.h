/* What the commands for geo indices share: arguments and parts of replies. Private to cmd_geo*.c.
 *
 * The geo_read_ functions reply the error themselves and return false.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_GEO_GEO_H
#define COMMAND_GEO_GEO_H

#include "compute/geohash.h"
#include "executor/args.h"

struct zset;

/* Arguments i and i + 1 as longitude and latitude. */
MUST_CHECK bool geo_read_point(struct call *c, uint32_t i, struct geo_point *out);
/* Argument i as a unit: the metres in it. */
MUST_CHECK bool geo_read_unit(struct call *c, uint32_t i, double *unit_m);
/* The sorted set under key i of the call; NULL when it is absent. */
MUST_CHECK bool geo_read_index(struct call *c, uint32_t i, const struct zset **out);

/* With four decimals, in both protocols as a bulk. */
void geo_reply_distance(struct call *c, double distance);
void geo_reply_point(struct call *c, struct geo_point p);

#endif
