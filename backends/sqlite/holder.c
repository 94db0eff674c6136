/* Who holds a lock on a file of SQLite's, for the people who wait for it.
 *
 * The kernel lists locks with their owners in /proc/locks; to ask by fcntl would take a descriptor
 * of that file, and to close that would drop SQLite's own locks (see file.c).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "base/buf.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITE_LOCK_BYTE = 120 /* of the -shm: https://www.sqlite.org/walformat.html */ };

static void name_process(long pid, char *out, size_t size)
{
    char path[64], name[32] = "a program";
    snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        if (fgets(name, sizeof(name), f) != NULL)
            name[strcspn(name, "\n")] = '\0';
        fclose(f);
    }
    snprintf(out, size, "%s (pid %ld)", name, pid);
}

bool sqlite_holder_find(const struct sqlite_lock_bytes *wanted, char *out, size_t size)
{
    char line[256];
    bool found = false;
    FILE *locks = fopen("/proc/locks", "re");
    snprintf(out, size, "%s", "another program");
    while (locks != NULL && !found && fgets(line, sizeof(line), locks) != NULL) {
        char kind[16], last_text[24];
        long pid;
        unsigned long inode;
        long long first;
        /* "7: POSIX  ADVISORY  READ 4711 fe:00:1234 124 124", or EOF for the last byte */
        if (sscanf(line, "%*d: POSIX ADVISORY %15s %ld %*x:%*x:%lu %lld %23s", kind, &pid, &inode,
                   &first, last_text) != 5)
            continue;
        long long last = strcmp(last_text, "EOF") == 0 ? LLONG_MAX : strtoll(last_text, NULL, 10);
        found = inode == wanted->inode && first <= wanted->last && last >= wanted->first &&
                strcmp(kind, wanted->write ? "WRITE" : "READ") == 0 && pid > 0 &&
                pid != (long)getpid();
        if (found)
            name_process(pid, out, size);
    }
    if (locks != NULL)
        fclose(locks);
    return found;
}

static unsigned long inode_of(const char *path, const char *suffix)
{
    struct stat st;
    struct buf name = {0};
    buf_printf(&name, "%s%s", path, suffix);
    buf_append(&name, "", 1);
    unsigned long inode = stat(name.data, &st) == 0 ? (unsigned long)st.st_ino : 0;
    buf_fini(&name);
    return inode;
}

bool sqlite_holder_of(const char *path, char *out, size_t size)
{
    const struct sqlite_lock_bytes writer = {true, inode_of(path, "-shm"), WRITE_LOCK_BYTE,
                                             WRITE_LOCK_BYTE},
                                   whole = {true, inode_of(path, ""), 0, LLONG_MAX};
    return sqlite_holder_find(&writer, out, size) || sqlite_holder_find(&whole, out, size);
}
