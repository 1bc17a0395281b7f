#!/usr/bin/env python3
"""test_tools.py LAYER HOW TOOL ARGUMENT…: a whole program under the failing driver. HOW is
   sample     one call in some hundreds fails, another one each time (CLKV_FAULT_STRIDE: one in so many); and a run in
              which every query of an event fails
   every      every call, with every code that is typical of it
   random     ten runs in which any call may fail
The program must end by itself, say which call gave what, and leave no object behind; when it does not fail, it must
print what it prints undisturbed. One figure may differ, by as much as the fault explains: a query of an event that
fails leaves open whether the device still reads a staging buffer, and the library then takes another one.
`{work}` in an argument stands for a folder with the trace that HOW needs.
Exit status 77: the loader does not load the layer, or the program finds no device."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import subprocess
import sys
import tempfile

LAYER, HOW, TOOL = sys.argv[1:4]
WORK = tempfile.TemporaryDirectory()
ARGUMENTS = [a.replace("{work}", WORK.name) for a in sys.argv[4:]]
SKIP = 1 if os.environ.get("CLKV_TEST_NEED_DEVICE") else 77
NO_QUERIES = {"call": "clGetEventInfo", "from": 1}
failures = []
# What depends on the clock, or on how often something had to be done again; device_bytes is checked apart.
UNSTABLE = re.compile(r"seconds|_s$|per_s|time|ms$|share|uploaded|device_bytes")
STAGING = 4096  # bytes of a staging buffer: the uploads of these runs fit the smallest one (src/device/ring.c)


def stable(value):
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if not UNSTABLE.search(k)}
    return [stable(v) for v in value] if isinstance(value, list) else value


def total(value, key):
    if isinstance(value, dict):
        return sum(v if k == key else total(v, key) for k, v in value.items())
    return sum(total(v, key) for v in value) if isinstance(value, list) else 0


def run(**fault):
    report = os.path.join(WORK.name, "report")
    if os.path.exists(report):
        os.remove(report)
    env = dict(os.environ, OPENCL_LAYERS=LAYER, CLKV_FAULT_REPORT=report)
    env.update({f"CLKV_FAULT_{k.upper()}": str(v) for k, v in fault.items()})
    done = subprocess.run([TOOL, *ARGUMENTS], capture_output=True, text=True, env=env, timeout=600)
    if not os.path.exists(report):
        return done, None
    with open(report, encoding="ascii") as f:
        return done, dict(line.split() for line in f)


def is_json(text):
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def check(fault, truth):
    done, report = run(**fault)
    what = f"{os.path.basename(TOOL)} {fault}: {report.get('call')} gave {report.get('code')}" if report else f"{fault}"
    problems = []
    if not report or done.returncode not in (0, 1, 2, 3):
        problems.append(f"ended with {done.returncode}")
    else:
        left = {k: v for k, v in report.items() if k.startswith("live_") and v != "0"}
        if left or report["misuses"] != "0":
            problems.append(f"left {left}, {report['misuses']} misuses")
        if done.returncode == 0:
            figures, queries = json.loads(done.stdout), int(report.get("failed_of_clGetEventInfo", 0))
            if stable(figures) != stable(truth):
                problems.append("says that all is well, and gives something else")
            extra = total(figures, "device_bytes") - total(truth, "device_bytes")
            buffers = max(min(queries, total(figures, "uploads") - 1), 0)  # the first upload finds none to ask about
            if extra % STAGING or not 0 <= extra <= buffers * STAGING:
                problems.append(f"{extra} more bytes on the device: {buffers} staging buffers would explain that")
        elif done.stdout and not is_json(done.stdout):
            problems.append(f"prints half an object: {done.stdout[-80:]!r}")
        elif fault == NO_QUERIES:
            problems.append(f"ends with {done.returncode} where only queries of events fail: {done.stderr!r}")
        if done.returncode and not done.stderr.startswith(os.path.basename(TOOL) + ": "):
            problems.append(f"says {done.stderr!r}")
        if done.returncode and "random" not in fault and report.get("code", "?") not in done.stderr:
            problems.append(f"does not say the code: {done.stderr!r}")
    for problem in problems:
        failures.append(problem)
        print(f"FAILED: {what}: {problem}", flush=True)
    return report


def main():
    with open(os.path.join(WORK.name, "trace"), "w", encoding="ascii") as f:
        for i in range(6):
            f.write(json.dumps({"timestamp": 0, "input_length": 700 + 40 * i, "output_length": 3 + i,
                                "hash_ids": [i % 2, 10 + i]}) + "\n")
    run()  # so that the caches have every program, and the runs below make the same calls
    done, report = run()
    if not report or done.returncode == 3:
        print(f"no layer, or no device: skipped\n{done.stderr}")
        sys.exit(SKIP)
    if done.returncode:
        sys.exit(f"FAILED: undisturbed, it ends with {done.returncode}: {done.stderr}")
    truth, calls = json.loads(done.stdout), int(report["calls"])
    if HOW == "random":
        faults = [{"random": f"{seed}:{5 if seed % 2 else 1}"} for seed in range(1, 11)]
    else:
        stride = 1 if HOW == "every" else max(int(os.environ.get("CLKV_FAULT_STRIDE", calls // 24)), 1)
        choices = 4 if HOW == "every" else 1
        faults = [{"at": at, "choice": c if choices > 1 else at // stride}
                  for at in range(1, calls + 1, stride) for c in range(choices)] + [NO_QUERIES]
    for fault in faults:
        check(fault, truth)
    print(f"{os.path.basename(TOOL)}: {calls} calls, {len(faults)} runs")
    sys.exit(1 if failures else 0)


main()
