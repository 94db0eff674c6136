/* See client.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/client.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

enum { PATIENCE_MS = 10000 };

int dial(const char *socket_path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

void say(int fd, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

void hear_some(int fd, char *got, size_t want, const char *text)
{
    size_t have = 0;
    while (have < want) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, PATIENCE_MS) != 1)
            fail_msg("nothing comes, wanted: %s, got: %.*s", text, (int)have, got);
        ssize_t n = recv(fd, got + have, want - have, 0);
        if (n <= 0)
            fail_msg("closed, wanted: %s, got: %.*s", text, (int)have, got);
        have += (size_t)n;
    }
    got[want] = '\0';
}

void hear(int fd, const char *text)
{
    static char got[64 * 1024];
    assert_true(strlen(text) < sizeof(got));
    hear_some(fd, got, strlen(text), text);
    assert_string_equal(got, text);
}

void hear_nothing_yet(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    assert_true(errno == EAGAIN);
}
