/* What we are, in one place.
 *
 * redis_version is the version whose behaviour we have: clients choose features by it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_VERSION_H
#define EXECUTOR_VERSION_H

#define WEIR_VERSION  "0.1.0"
#define REDIS_VERSION "7.2.4"

#endif
