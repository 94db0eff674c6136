/* The supervisor's datagrams: see notify.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/weir-notify-test-XXXXXX";

/* A datagram socket at `name`; '@' in front: in the abstract namespace. */
static int listen_at(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    memcpy(at.sun_path, name, len);
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    socklen_t at_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, at_len), 0);
    return fd;
}

static void hear(int fd, const char *text)
{
    char got[256];
    ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
    assert_true(n >= 0);
    got[n] = '\0';
    assert_string_equal(got, text);
}

static void a_state_reaches_a_socket_in_the_file_system(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "%s/n", directory);
    int fd = listen_at(path);
    setenv("NOTIFY_SOCKET", path, 1);
    notify_send("READY=1\nSTATUS=Serving");
    hear(fd, "READY=1\nSTATUS=Serving");
    unlink(path);
    notify_send("STOPPING=1"); /* nobody is there: no harm */
    close(fd);
}

static void a_state_reaches_an_abstract_socket(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof(name), "@%s", directory + 1);
    int fd = listen_at(name);
    setenv("NOTIFY_SOCKET", name, 1);
    notify_send("STOPPING=1");
    hear(fd, "STOPPING=1");
    close(fd);
}

static void without_a_proper_address_nothing_is_sent(void **state)
{
    (void)state;
    char too_long[300];
    memset(too_long, 'x', sizeof(too_long));
    too_long[0] = '/';
    too_long[sizeof(too_long) - 1] = '\0';
    const char *wrong[] = {"", "@", "relative", too_long};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        setenv("NOTIFY_SOCKET", wrong[i], 1);
        notify_send("READY=1");
    }
    unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
}

static void the_watchdog_is_fed_twice_in_its_time(void **state)
{
    (void)state;
    char pid[32];
    setenv("NOTIFY_SOCKET", "/nowhere", 1);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_watchdog_ms(), 15000);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_reaches_a_socket_in_the_file_system),
        cmocka_unit_test(a_state_reaches_an_abstract_socket),
        cmocka_unit_test(without_a_proper_address_nothing_is_sent),
        cmocka_unit_test(the_watchdog_is_fed_twice_in_its_time),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
