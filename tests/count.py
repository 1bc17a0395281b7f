#!/usr/bin/env python3
"""Adds up meson's records of the runs (DIR/*.json) and the builds that failed (DIR/broken, a line each).

Prints what did not pass (of a skipped test also its last line, which says why), a line per run, and at last "N passed, N failed, N skipped".
Exits 1 when anything failed or nothing passed at all. SPDX-License-Identifier: Apache-2.0
"""
import collections
import json
import pathlib
import sys


def main(folder):
    total = collections.Counter()
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        count = collections.Counter()
        seconds = 0.0
        for line in path.read_text(encoding="utf-8").splitlines():
            test = json.loads(line)
            kind = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(test["result"], "failed")
            count[kind] += 1
            seconds += test["duration"]
            if kind != "passed":
                said = test.get("stdout", "").strip().splitlines() if kind == "skipped" else []
                print("%s  %s: %s%s" % (kind.upper(), path.stem, test["name"], " (%s)" % said[-1] if said else ""))
        print("%-32s %4d passed %4d failed %4d skipped %7.1f s" % (
            path.stem, count["passed"], count["failed"], count["skipped"], seconds))
        total += count
    broken = pathlib.Path(folder, "broken")
    if broken.exists():
        for line in broken.read_text(encoding="utf-8").splitlines():
            print("FAILED  " + line)
            total["failed"] += 1
    print("%d passed, %d failed, %d skipped" % (total["passed"], total["failed"], total["skipped"]))
    return 1 if total["failed"] or not total["passed"] else 0


sys.exit(main(sys.argv[1]))
