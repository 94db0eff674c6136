#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""ioredis and node-redis, unmodified: runs node/*_test.js, which say what they check.

`tools/install-packages test` puts the npm packages of node/package-lock.json into
build/clients/node. Where that was not possible, nothing here has failed: the suite says so and
passes nothing. PEER=redis runs the same against redis-server.
"""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from harness import PATIENCE, ROOT, Server  # pylint: disable=wrong-import-position

MODULES = os.path.join(ROOT, "build/clients/node/node_modules")
TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node/*_test.js")


def run(path, words):
    """One suite against a server of its own; its counts, (0, 1) when it did not give them."""
    print("== " + os.path.basename(path), flush=True)
    with Server() as server:
        server.start()
        env = {**os.environ, "NODE_PATH": MODULES, "WEIR_PORT": str(server.port),
               "WEIR_PATIENCE": "%g" % PATIENCE}
        done = subprocess.run(["node", path, *words], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=100 * PATIENCE, check=False)
        alive = server.alive()
    counts = re.search(r"(\d+) passed, (\d+) failed\s*$", done.stdout)
    if not counts or not alive:
        print("%s\nFAILED  the suite ended with status %d%s"
              % (done.stdout, done.returncode, "" if alive else "; the server is gone"))
        return 0, 1
    print(done.stdout[:counts.start()], end="", flush=True)
    return int(counts[1]), int(counts[2])


def main():
    if not os.path.isdir(MODULES):
        print("skipped ioredis and node-redis: their npm packages are not installed"
              " (tools/install-packages test)\n0 passed, 0 failed")
        return 0
    counts = [run(path, sys.argv[1:]) for path in sorted(glob.glob(TESTS))]
    passed, failed = map(sum, zip(*counts))
    print("%d passed, %d failed" % (passed, failed), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
