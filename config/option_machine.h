/* What "as the machine is" comes to: the values that 0 stands for.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_OPTION_MACHINE_H
#define CONFIG_OPTION_MACHINE_H

#include "base/base.h"

/* Cores that this process may run on. */
int64_t option_machine_cores(void);
/* Memory of the machine, or what the process's cgroup or one above it allows, if that is less. */
int64_t option_machine_memory(void);

#endif
