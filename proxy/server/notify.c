/* See notify.h. The protocol: sd_notify(3).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/notify.h"

#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_send(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@'))
        return;
    size_t len = strlen(path);
    if (len < 2 || len >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@') /* the abstract namespace: a NUL in front, no terminator at the end */
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    /* Nothing useful can be done when the supervisor does not listen. */
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, to_len);
    close(fd);
}

int64_t notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    int64_t us = 0, watched = 0;
    if (usec == NULL || getenv("NOTIFY_SOCKET") == NULL || !num_parse_i64(slice_str(usec), &us))
        return 0;
    if (pid != NULL && (!num_parse_i64(slice_str(pid), &watched) || watched != (int64_t)getpid()))
        return 0;
    return us < 2000 ? 0 : us / 2000;
}
