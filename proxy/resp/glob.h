/* Glob patterns live in base/, because the configuration matches names too.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef RESP_GLOB_H
#define RESP_GLOB_H

#include "base/glob.h"

#endif
