/* The one place that decides a conflict: a key that was changed here and, since the proxy last
 * looked, by somebody else in the backend. Whatever is decided, the other version is kept among the
 * records.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "config/words.h"

enum backend_verdict conflict_decide(void)
{
    return option_num(OPT_conflict_policy) == CONFLICT_PROXY_WINS ? BACKEND_APPLY : BACKEND_KEEP;
}

const char *conflict_verdict_name(enum backend_verdict verdict)
{
    return verdict == BACKEND_APPLY ? "proxy-wins" : "backend-wins";
}
