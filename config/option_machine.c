/* See option_machine.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/option_machine.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int64_t option_machine_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? online : 1;
}

/* The number in a file; "max" and what cannot be read are no limit. */
static uint64_t read_limit(const char *dir, const char *name)
{
    char path[PATH_MAX + 64];
    unsigned long long limit = 0;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return UINT64_MAX;
    bool ok = fscanf(f, "%llu", &limit) == 1 && limit > 0;
    fclose(f);
    return ok ? limit : UINT64_MAX;
}

/* The least limit from `path` below `root` up to the root. */
static uint64_t least_limit(const char *root, const char *path, const char *name)
{
    char dir[PATH_MAX];
    uint64_t least = read_limit(root, name);
    int len = snprintf(dir, sizeof(dir), "%s%s", root, path);
    if (len < 0 || (size_t)len >= sizeof(dir))
        return least;
    while (strlen(dir) > strlen(root)) {
        least = min_u64(least, read_limit(dir, name));
        *strrchr(dir, '/') = '\0';
    }
    return least;
}

/* /proc/self/cgroup has lines "id:controllers:path"; the unified hierarchy has no controllers. */
static uint64_t cgroup_memory(void)
{
    static const char unified[] = "/sys/fs/cgroup", legacy[] = "/sys/fs/cgroup/memory";
    uint64_t least =
        min_u64(read_limit(unified, "memory.max"), read_limit(legacy, "memory.limit_in_bytes"));
    char line[PATH_MAX + 64];
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (f == NULL)
        return least;
    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL || path[1] != '/')
            continue;
        *path++ = '\0';
        if (controllers[1] == '\0')
            least = min_u64(least, least_limit(unified, path, "memory.max"));
        else if (strstr(controllers, "memory") != NULL)
            least = min_u64(least, least_limit(legacy, path, "memory.limit_in_bytes"));
    }
    fclose(f);
    return least;
}

int64_t option_machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_C(1) << 30;
    return (int64_t)min_u64(machine, cgroup_memory());
}
