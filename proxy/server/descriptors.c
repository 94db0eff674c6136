/* See descriptors.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/descriptors.h"

#include "base/num.h"
#include "config/options.h"

#include <errno.h>
#include <sys/resource.h>

/* About 25 are open in a server at rest: sockets, log, weir.db, records.db, two segments. A journal
 * whose disk is slow has up to eight segments more, and files are written aside and renamed. */
enum { KEPT_BACK = 64, OF_A_WORKER = 2 };

enum rc descriptors_fit(uint32_t workers, uint64_t *clients, struct err *err)
{
    struct rlimit limit;
    rlim_t kept = KEPT_BACK + OF_A_WORKER * (rlim_t)workers;
    rlim_t want = (rlim_t)option_num(OPT_maxclients) + kept;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_sys(err, errno, "asking how many files may be open");
    if (limit.rlim_cur < want) {
        struct rlimit raised = limit;
        raised.rlim_cur = limit.rlim_max == RLIM_INFINITY ? want : min_u64(want, limit.rlim_max);
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    if (limit.rlim_cur <= kept)
        return err_set(err, RC_INVALID,
                       "the system allows %llu open files, and Weir needs %llu beside its clients; "
                       "raise it with `ulimit -n` or LimitNOFILE=",
                       (unsigned long long)limit.rlim_cur, (unsigned long long)kept);
    *clients = min_u64(limit.rlim_cur - kept, (uint64_t)option_num(OPT_maxclients));
    return RC_OK;
}
