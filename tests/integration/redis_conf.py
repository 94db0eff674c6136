#!/usr/bin/env python3
"""A redis.conf starts Weir as it is: what it states is in force, has no effect and is named in the
log, or is refused with the reason.

SPDX-License-Identifier: BSD-3-Clause
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile

from weirproc import BINARY, Connection, Failure, Weir, check, command, free_port, run, wait_until

DEBIAN = "/etc/redis/redis.conf"

# As people have them: a cache of a web application, a queue, a session store, a container, ...
FILES = {
    "a cache of a web application": """
        # cache only
        bind 127.0.0.1
        maxmemory 256mb
        maxmemory-policy allkeys-lru
        maxmemory-samples 10
        save ""
        appendonly no
        lazyfree-lazy-eviction yes
        lazyfree-lazy-expire yes
        lazyfree-lazy-server-del yes
        replica-lazy-flush yes
        activedefrag no
    """,
    "a queue of jobs that must not lose any": """
        tcp-backlog 511
        timeout 0
        tcp-keepalive 60
        maxmemory-policy noeviction
        appendonly yes
        appendfilename "appendonly.aof"
        appenddirname "appendonlydir"
        appendfsync always
        no-appendfsync-on-rewrite no
        auto-aof-rewrite-percentage 100
        auto-aof-rewrite-min-size 64mb
        aof-load-truncated yes
        aof-use-rdb-preamble yes
    """,
    "a session store with snapshots": """
        save 900 1
        save 300 10
        save 60 10000
        stop-writes-on-bgsave-error yes
        rdbcompression yes
        rdbchecksum yes
        dbfilename sessions.rdb
        rdb-del-sync-files no
        requirepass "a long one, with blanks"
        rename-command FLUSHALL ""
        rename-command CONFIG b840fc02d524045429941cc15f59e41cb7be6c52
        notify-keyspace-events Ex
    """,
    "an old one, of the days of slaves and ziplists": """
        databases 16
        slave-serve-stale-data yes
        slave-read-only yes
        slave-priority 100
        repl-diskless-sync no
        repl-ping-slave-period 10
        min-slaves-to-write 0
        hash-max-ziplist-entries 512
        hash-max-ziplist-value 64
        list-max-ziplist-entries 512
        list-max-ziplist-value 64
        zset-max-ziplist-entries 128
        zset-max-ziplist-value 64
        set-max-intset-entries 512
        lua-time-limit 5000
        client-output-buffer-limit slave 256mb 64mb 60
        activerehashing yes
        hz 10
        aof-rewrite-incremental-fsync yes
    """,
    "a container": """
        bind * -::*
        protected-mode no
        supervised auto
        loglevel verbose
        logfile ""
        always-show-logo yes
        set-proc-title yes
        proc-title-template "{title} {listen-addr} {server-mode}"
        io-threads 2
        io-threads-do-reads yes
        oom-score-adj no
        oom-score-adj-values 0 200 800
        disable-thp yes
        jemalloc-bg-thread yes
    """,
    "a primary that has replicas elsewhere": """
        repl-backlog-size 64mb
        repl-backlog-ttl 3600
        repl-timeout 60
        repl-disable-tcp-nodelay no
        repl-diskless-sync yes
        repl-diskless-sync-delay 5
        repl-diskless-sync-max-replicas 0
        repl-diskless-load disabled
        replica-announce-ip 10.1.2.3
        replica-announce-port 6379
        min-replicas-to-write 0
        min-replicas-max-lag 10
        masterauth secret
        client-output-buffer-limit replica 1gb 256mb 60
    """,
    "one that was prepared for a cluster and for TLS": """
        cluster-enabled no
        cluster-config-file nodes-6379.conf
        cluster-node-timeout 15000
        cluster-require-full-coverage yes
        cluster-migration-barrier 1
        tls-port 0
        tls-cert-file /etc/ssl/redis.crt
        tls-key-file /etc/ssl/redis.key
        tls-ca-cert-dir /etc/ssl/certs
        tls-auth-clients optional
        tls-protocols "TLSv1.2 TLSv1.3"
        acllog-max-len 128
        acl-pubsub-default resetchannels
    """,
    "one that is watched": """
        slowlog-log-slower-than 5000
        slowlog-max-len 1024
        latency-monitor-threshold 100
        latency-tracking yes
        latency-tracking-info-percentiles 50 99 99.9
        syslog-enabled no
        syslog-ident redis
        syslog-facility local0
        crash-log-enabled no
        crash-memcheck-enabled no
        dynamic-hz yes
        tracking-table-max-keys 1000000
        busy-reply-threshold 5000
        shutdown-timeout 10
        shutdown-on-sigterm default
    """,
    "one with every tuning that a blog knows": """
        active-defrag-ignore-bytes 100mb
        active-defrag-threshold-lower 10
        active-defrag-threshold-upper 100
        active-defrag-cycle-min 1
        active-defrag-cycle-max 25
        active-expire-effort 1
        maxmemory-eviction-tenacity 10
        lfu-log-factor 10
        lfu-decay-time 1
        list-max-listpack-size -2
        list-compress-depth 0
        set-max-listpack-entries 128
        stream-node-max-bytes 4kb
        stream-node-max-entries 100
        hll-sparse-max-bytes 3000
        client-query-buffer-limit 1gb
        proto-max-bulk-len 512mb
        rdb-save-incremental-fsync yes
        server_cpulist 0-7:2
        bio_cpulist 1,3
        ignore-warnings ARM64-COW-BUG
        replica-ignore-maxmemory yes
        enable-debug-command no
        enable-module-command no
        enable-protected-configs no
        locale-collate ""
        lazyfree-lazy-user-del no
        lazyfree-lazy-user-flush no
    """,
}


class FromFile(Weir):
    """A file as it is; port, places and background are the test's."""

    def __init__(self, text, *args, path=None):
        self.text, self.args, self.path = text, list(args), path
        super().__init__()

    def _spawn(self):
        self.port = free_port()
        self.config = self.path or os.path.join(self.directory, "redis.conf")
        if self.path is None:
            with open(self.config, "w", encoding="utf-8") as f:
                f.write(self.text)
        self.log_path = os.path.join(self.directory, "stdout.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, self.config, "--port", str(self.port), "--dir", self.directory,
                 "--pidfile", os.path.join(self.directory, "pid"), "--logfile", ""] + self.args,
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory)


def stated_in(text):
    """The directives of a file with the words of their last line."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            found[words[0]] = words[1:]
    return found


def ready(weir):
    wait_until(lambda: "Ready." in weir.log(), "the start to end")
    return weir.connect()


def serves(weir, password=None):
    c = ready(weir)
    if password:
        check(c.call("AUTH", password) == b"OK", "AUTH")
    check(c.call("SET", "k", "v") == b"OK", "SET")
    check(c.call("GET", "k") == b"v", "GET")
    return c


def without_effect(weir):
    """The directives that the log names as such."""
    lines = [line.split("Accepted without effect: ")[1] for line in weir.log().splitlines()
             if "Accepted without effect: " in line]
    return ", ".join(lines).split(", ")


def nine_files_of_all_kinds_start_it():
    for name, text in FILES.items():
        password = "a long one, with blanks" if "requirepass" in text else None
        with FromFile(text) as weir:
            c = serves(weir, password)
            config = "b840fc02d524045429941cc15f59e41cb7be6c52" if password else "CONFIG"
            for directive, words in stated_in(text).items():
                got = c.call(config, "GET", directive)
                if directive in ("rename-command", "list-max-ziplist-entries",
                                 "list-max-ziplist-value"):
                    check(got == [], "%s: %s is listed" % (name, directive))
                    continue
                check(len(got) == 2, "%s: CONFIG GET %s: %r" % (name, directive, got))
                if len(words) == 1 and words[0] in ("yes", "no"):
                    check(got[1].decode() == words[0], "%s: %s is %r" % (name, directive, got[1]))
            without = without_effect(weir)
            inert = {"lazyfree-lazy-expire", "no-appendfsync-on-rewrite", "rdbcompression", "save",
                     "activerehashing", "oom-score-adj", "repl-timeout", "cluster-node-timeout",
                     "syslog-ident", "active-expire-effort"}
            for directive in inert & set(stated_in(text)):
                check(directive in without, "%s: %s is not named" % (name, directive))
            for directive in ("maxmemory", "maxmemory-policy", "databases", "io-threads", "hz"):
                check(directive not in without, "%s is in force" % directive)


def what_redis_and_weir_both_have_is_in_force():
    with FromFile(FILES["a queue of jobs that must not lose any"]) as weir:
        c = serves(weir)
        check(c.call("CONFIG", "GET", "journal-fsync") == [b"journal-fsync", b"always"], "fsync")
        check("(fsync always)" in weir.log(), "the log")
    with FromFile("appendonly no\nappendfsync no\nsave 900 1\nsave 300 10\n") as weir:
        c = serves(weir)
        check(c.call("CONFIG", "GET", "save") == [b"save", b"900 1 300 10"], "save")
        check(c.call("CONFIG", "SET", "save", "60 1") == b"OK", "CONFIG SET save")
        check(c.call("CONFIG", "SET", "lazyfree-lazy-expire", "yes") == b"OK", "lazyfree")
        check(c.call("CONFIG", "SET", "appendfilename", "x")[:4] == b"-ERR", "is immutable")
        check("journal no (appendonly no) has no effect" in weir.log(), "the log is silent")
        check("journal off" not in weir.log(), "there is one")
        weir.kill()
        weir.start()
        check(ready(weir).call("GET", "k") == b"v", "the journal has it")


def renamed_commands_have_their_new_name_only():
    with FromFile('rename-command FLUSHALL ""\nrename-command config SeCret-Config_1\n'
                  'rename-command GET fetch\nrename-command DEL get\n') as weir:
        c = ready(weir)
        check(c.call("FLUSHALL")[:20] == b"-ERR unknown command", "FLUSHALL runs")
        check(c.call("CONFIG", "GET", "port")[:20] == b"-ERR unknown command", "CONFIG runs")
        check(c.call("secret-config_1", "GET", "port")[0] == b"port", "the new name")
        check(c.call("SET", "a", "1") == b"OK", "SET")
        check(c.call("FETCH", "a") == b"1", "FETCH")
        check(c.call("GET", "a") == 1, "GET, which is now DEL")
        check(c.call("DEL", "a")[:20] == b"-ERR unknown command", "DEL runs")
        c.send(command("MULTI") + command("FLUSHALL") + command("EXEC"))
        check([c.reply(), c.reply()[:12], c.reply()[:10]]
              == [b"OK", b"-ERR unknown", b"-EXECABORT"], "in MULTI")


def debians_file_starts_it():
    if not os.access(DEBIAN, os.R_OK):
        print("skipped debians_file_starts_it: there is no %s to read" % DEBIAN)
        return
    with FromFile("", "--daemonize", "no", path=DEBIAN) as weir:
        serves(weir)
        check({"appendfilename", "stop-writes-on-bgsave-error",
               "jemalloc-bg-thread"} <= set(without_effect(weir)), "not all are named")


def checked(*args):
    done = subprocess.run([BINARY, *args], capture_output=True, check=False, timeout=60)
    return done.returncode, done.stderr.decode()


def what_would_be_dangerous_to_ignore_is_refused_with_the_reason():
    directory = tempfile.mkdtemp(prefix="weir-test-")
    path = os.path.join(directory, "redis.conf")
    try:
        for line, why in [("cluster-enabled yes", "no node of a Redis Cluster"),
                          ("replicaof 10.0.0.1 6379", "does not replicate"),
                          ("slaveof 10.0.0.1 6379", "does not replicate"),
                          ("loadmodule /usr/lib/redis/modules/x.so", "no modules"),
                          ("tls-port 6380", "no TLS"),
                          ("aclfile /etc/redis/users.acl", "no users but the default"),
                          ("user alice on >secret ~* +@all", "no users but the default"),
                          ("rename-command NOSUCH x", "no such command"),
                          ("rename-command GET set", "of a command already"),
                          ("backend redis://127.0.0.1:6379", "no such kind of backend"),
                          ("dir /nonexistent/place", "/nonexistent/place"),
                          ("unixsocket /nonexistent/socket", "/nonexistent"),
                          ("unixsocket /tmp/" + "x" * 120, "longer than 107"),
                          ("journal-max-size 100mb", "below two"),
                          ("logfile /nonexistent/weir.log", "/nonexistent")]:
            with open(path, "w", encoding="utf-8") as f:
                f.write("port 0\n" + line + "\nunixsocketperm 700\n")
                if not line.startswith("unixsocket "):
                    f.write("unixsocket %s/s\n" % directory)
            for arguments in [(path, "--check"), (path,)]:
                code, said = checked(*arguments)
                check(code == 1 and why in said, "%s: %d, %s" % (line, code, said))
                check(path + ":2: " in said, "%s: no place in %s" % (line, said))
        with open(path, "w", encoding="utf-8") as f:
            f.write("prot 1\ndir /nonexistent\n\nmaxmemory lots\n")
        code, said = checked(path, "--check", "--nosuch", "1")
        check(code == 1 and said.count("\nweir: ") == 2 and said.startswith("weir: "),
              "all at once: " + said)
        check(os.listdir(directory) == ["redis.conf"], "left behind: %r" % os.listdir(directory))
    finally:
        shutil.rmtree(directory)


def a_daemon_says_who_it_is_and_leaves_the_terminal():
    directory = tempfile.mkdtemp(prefix="weir-test-")
    pid = None
    try:
        port = free_port()
        path = os.path.join(directory, "redis.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("daemonize yes\npidfile %s/weir.pid\nlogfile weir.log\ndir %s\nport %d\n"
                    % (directory, directory, port))
        done = subprocess.run([BINARY, path], capture_output=True, check=False, timeout=60)
        check(done.returncode == 0 and done.stdout + done.stderr == b"", "it said something")
        wait_until(lambda: os.path.exists(directory + "/weir.pid")
                   and open(directory + "/weir.pid", "rb").read().endswith(b"\n"), "the pidfile")
        with open(directory + "/weir.pid", encoding="ascii") as f:
            pid = int(f.read())
        wait_until(lambda: "Ready." in open(directory + "/weir.log", encoding="utf-8").read(),
                   "the start to end")
        c = Connection(("127.0.0.1", port))
        check(c.call("SET", "a", "1") == b"OK", "SET")
        check(os.getsid(pid) == pid, "it is in the session of the terminal")
        check(os.readlink("/proc/%d/fd/1" % pid) == "/dev/null", "it holds the terminal")
        check(os.getppid() != pid and int(c.call("INFO", "server").decode()
                                          .split("process_id:")[1].split("\r\n")[0]) == pid, "pid")
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(directory + "/weir.pid"), "the pidfile to go")
        wait_until(lambda: not os.path.exists("/proc/%d" % pid)
                   or open("/proc/%d/stat" % pid).read().split(") ")[1][0] == "Z", "the end")
        pid = None
    finally:
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(directory, ignore_errors=True)


def a_snapshot_beside_an_empty_store_is_named():
    with Weir("dbfilename old.rdb") as weir:
        weir.terminate()
        weir.wait()
        with open(os.path.join(weir.directory, "old.rdb"), "wb") as f:
            f.write(b"REDIS0011")
        weir.start()
        ready(weir)
        check("old.rdb" not in weir.log(), "the store is there already")
    directory = tempfile.mkdtemp(prefix="weir-test-")
    with open(os.path.join(directory, "dump.rdb"), "wb") as f:
        f.write(b"REDIS0011")
    try:
        with Weir(directory=directory) as weir:
            ready(weir)
            check(os.path.join(directory, "dump.rdb") in weir.log(), "it is not named")
    finally:
        shutil.rmtree(directory)


run([nine_files_of_all_kinds_start_it,
     what_redis_and_weir_both_have_is_in_force,
     renamed_commands_have_their_new_name_only,
     debians_file_starts_it,
     what_would_be_dangerous_to_ignore_is_refused_with_the_reason,
     a_daemon_says_who_it_is_and_leaves_the_terminal,
     a_snapshot_beside_an_empty_store_is_named])
