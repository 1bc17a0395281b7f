#!/usr/bin/env python3
"""test_bench.py TOOL PART: clkv-bench as a program, with tiny shapes. PART is one of
   host       pool and index, and what is refused
   device     attention, step and start (exit status 77 without an OpenCL device, unless
              CLKV_TEST_NEED_DEVICE is set)
Figures are checked for being there and for agreeing with each other; no time is asserted."""
# SPDX-License-Identifier: Apache-2.0
import json
import math
import os
import signal
import subprocess
import sys
import tempfile

import programs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from command import command, is_posix  # noqa: E402  (its folder is known only now)

TOOL, PART = command(sys.argv[1]), sys.argv[2]
POSIX = is_posix(sys.argv[1])
WORK = tempfile.TemporaryDirectory()
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def run(*arguments, env=None):
    return subprocess.run([*TOOL, *map(str, arguments)], capture_output=True, timeout=600,
                          env={**os.environ, **(env or {})})


def bench(*arguments):
    done = run(*arguments, "--json")
    check(done.returncode == 0, f"{arguments}: exit {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout)


def near(a, b):
    return math.isclose(a, b, rel_tol=1e-6)


def positive(figures, *keys):
    for key in keys:
        value = figures.get(key)
        check(isinstance(value, (int, float)) and math.isfinite(value) and value > 0, f"{key}: {value!r} in {figures}")


def stopped(shown, *arguments):
    """Ctrl-C while the line of progress has `shown`: what was measured by then is printed."""
    code, out, said = programs.stopped([*TOOL, *map(str, arguments), "--json"], shown)
    check(code == -signal.SIGINT and b"stopped by SIGINT" in said, f"{arguments}: exit {code}: {said!r}")
    figures = json.loads(out)
    check(figures["finished"] is False, f"{arguments}: {figures}")
    return figures


AFTER_1000 = rb"10(0[1-9]|[12]\d) blocks"  # the line of progress is not written for each size


def stopped_pool():
    sizes = range(1000, 1032)
    rows = stopped(AFTER_1000, "pool", "--blocks", ",".join(map(str, sizes)))["sizes"]
    check(2 <= len(rows) < 60 and [r["blocks"] for r in rows] == [n for n in sizes for _ in range(2)][:len(rows)],
          f"pool, stopped: {rows}")
    positive(rows[-1], "allocate_release_ns", "match_ns", "register_ns", "evict_ns")
    code, out, said = programs.stopped([*TOOL, "pool", "--blocks", ",".join(map(str, sizes))], AFTER_1000)
    check(code == -signal.SIGINT and b"\nfinished    no\n" in out and b"\n  1000  sequences  " in out,
          f"pool, stopped, as a table: exit {code}: {out!r} {said!r}")


def host():
    figures = bench("pool", "--blocks", "100,1000,63")
    check([(r["blocks"], r["order"]) for r in figures["sizes"]] ==
          [(n, o) for n in (100, 1000, 63) for o in ("sequences", "random")], f"pool: {figures}")
    for row in figures["sizes"]:
        positive(row, "allocate_release_ns", "match_ns", "register_ns", "evict_ns", "host_bytes")
    check(figures["finished"] is True, f"pool: {figures}")
    if POSIX:
        stopped_pool()
    text = run("pool", "--blocks", 50, "--block-size", 1).stdout.decode()
    check("finished" not in text and '"' not in text, f"pool as a table: {text}")
    check("register_ns" in text and "sequences" in text, f"pool as a table: {text}")

    for arguments, word in (([], "command"), (["sing"], "sing"), (["pool", "--blocks", "10,"], "blocks"),
                            (["pool", "--blocks", "0"], "blocks"), (["pool", "--blocks", "10,x"], "'x'"),
                            (["pool", "--blocks", ",".join(["1"] * 33)], "more than"),
                            (["pool", "--blocks", "9" * 40], "number"),
                            (["pool", "--block-size", 3], "block-size"), (["pool", "stray"], "stray"),
                            (["attention", "--head-dim", 0], "head-dim"), (["attention", "--batch", -1], "batch"),
                            (["attention", "--heads", 5, "--kv-heads", 2], "multiple"),
                            (["attention", "--queries", 9, "--context", 8], "queries"),
                            (["attention", "--block-size", 24], "block-size"),
                            (["attention", "--kv", "f8"], "kv"), (["attention", "--repeat", 0], "repeat"),
                            (["attention", "--overhead", "--consecutive"], "consecutive"),
                            (["step", "--sequences", "1,70000"], "sequences"), (["start", "--heads", 5], "multiple")):
        done = run(*arguments)
        message = done.stderr.decode()
        check(done.returncode == 2 and word in message and not done.stdout,
              f"{arguments}: exit {done.returncode}, {message!r}, {done.stdout!r}")
    for command in ("attention", "pool", "step", "start"):
        done = run(command, "--help")
        check(done.returncode == 0 and b"--json" in done.stdout, f"{command} --help: {done}")
    done = run("--help")
    check(done.returncode == 0 and all(c in done.stdout.decode() for c in ("attention", "pool", "step", "start")),
          f"--help: {done}")
    for arguments in (["attention"], ["step"], ["start"]):
        done = run(*arguments, env={"OCL_ICD_VENDORS": "/nonexistent"})
        check(done.returncode == 3 and not done.stdout, f"{arguments} without a platform: {done}")


def attention(arguments, kv_bytes, pairs, heads=4, dims=16):
    what = f"attention {arguments}"
    f = bench("attention", "--repeat", 2, *arguments)
    positive(f, "ms", "gb_per_s", "stream_read_gb_per_s", "bandwidth_ratio", "gflop_per_s", "fma_peak_gflop_per_s",
             "peak_ratio", "items", "uploaded_bytes")
    check(f["kv_bytes"] == kv_bytes, f"{what}: kv_bytes {f['kv_bytes']}, not {kv_bytes}")
    check(near(f["gb_per_s"], kv_bytes / f["ms"] / 1e6), f"{what}: gb_per_s")
    check(near(f["gflop_per_s"], pairs * heads * 2 * dims / f["ms"] / 1e6), f"{what}: gflop_per_s")
    check(near(f["bandwidth_ratio"], f["gb_per_s"] / f["stream_read_gb_per_s"]), f"{what}: bandwidth_ratio")
    check(near(f["peak_ratio"], f["gflop_per_s"] / f["fma_peak_gflop_per_s"]), f"{what}: peak_ratio")
    check(0 <= f["max_abs_error"] < 1e-5, f"{what}: max_abs_error {f['max_abs_error']}")
    return f


def device():
    shape = ["--heads", 4, "--kv-heads", 2, "--head-dim", 8]
    # batch × context × KV heads × (8 + 8) × bytes; visible pairs
    attention([*shape, "--batch", 3, "--context", 50], 3 * 50 * 2 * 16 * 2, 3 * 50)
    f = attention([*shape, "--batch", 2, "--context", 40, "--queries", 5, "--kv", "f32", "--overhead"],
                  2 * 40 * 2 * 16 * 4, 2 * (36 + 37 + 38 + 39 + 40))
    check(isinstance(f["paged_overhead"], float), f"paged_overhead: {f}")
    attention([*shape, "--batch", 1, "--context", 33, "--queries", 33, "--non-causal", "--variant", "portable"],
              33 * 2 * 16 * 2, 33 * 33)
    attention([*shape, "--batch", 1, "--context", 2100, "--head-dim-v", 16, "--block-size", 32, "--consecutive"],
              2100 * 2 * 24 * 2, 2100, dims=24)
    f = attention([*shape, "--batch", 1, "--context", 1024, "--parts", 4], 1024 * 2 * 16 * 2, 1024)
    check(f["parts"] == 4 and f["chunk"] == 256, f"parts: {f['parts']}, chunk: {f['chunk']}")
    f = stopped(b"attention: ", "attention", *shape, "--batch", 1, "--context", 64, "--repeat", 100000)
    check(0 < f["repeat"] < 100000, f"attention, stopped: {f['repeat']}")
    positive(f, "ms", "gb_per_s", "bandwidth_ratio")
    for arguments in (["--head-dim", 12], ["--head-dim-v", 20]):
        done = run("attention", *arguments)
        check(done.returncode == 2 and str(arguments[1]) in done.stderr.decode(), f"{arguments}: {done}")

    f = bench("step", "--sequences", "1,3", "--steps", 40, "--context", 20)
    rows = {(r["sequences"], r["kind"]): r for r in f["steps"]}
    check(len(rows) == 8, f"step: {rows.keys()}")
    for (n, kind), row in rows.items():
        positive(row, "add_us", "reserve_us", "upload_us", "commit_us", "total_us", "uploaded_bytes")
    check([rows[3, k]["steps"] for k in ("inside", "crosses", "fills", "all")] == [36, 2, 2, 40], f"step: {rows}")
    check(rows[3, "crosses"]["uploaded_bytes"] > rows[3, "inside"]["uploaded_bytes"], f"step: {rows}")
    f = stopped(b"1 sequences: step ", "step", "--sequences", "1,3", "--steps", 1 << 20, "--context", 20)
    rows = {(r["sequences"], r["kind"]): r for r in f["steps"]}
    check((1, "all") in rows and rows[1, "all"]["steps"] < 1 << 20 and (3, "all") not in rows, f"step, stopped: {rows}")
    check(rows[1, "all"]["steps"] == sum(r["steps"] for k, r in rows.items() if k[1] != "all"), f"step, stopped: {rows}")
    sent = []  # few more bytes at most: how contexts are split to fill the device differs a little
    for context in (8000, 16000):
        f = bench("step", "--sequences", "64", "--steps", 20, "--context", context)
        sent.append({r["kind"]: r["uploaded_bytes"] for r in f["steps"]})
    for kind in ("inside", "crosses"):
        check(sent[1][kind] <= 1.1 * sent[0][kind], f"what a step uploads grows with the context: {sent}")

    os.environ["CLKV_NO_CACHE"] = "0"  # a start is about the binaries that an earlier one left
    f = bench("start", "--repeat", 1, "--heads", 4, "--kv-heads", 2, "--head-dim", 8)
    positive(f, "cold_ms", "warm_ms", "warm_clkv_ms", "speedup", "speedup_clkv", "cold_programs_built")
    check(f["warm_programs_built"] == 0, f"a warm start compiled: {f}")
    # The fourth start is of the second round. The line is not written for a start that comes soon after another.
    f = stopped(rb"start ([4-9]|\d\d+) of", "start", "--repeat", 1000, "--heads", 4, "--kv-heads", 2, "--head-dim", 8)
    check(1 <= f["repeat"] < 1000, f"start, stopped: {f}")
    positive(f, "cold_ms", "warm_ms", "warm_clkv_ms")
    check(not [n for n in os.listdir(WORK.name)], f"start left {os.listdir(WORK.name)}")


def main():
    os.environ["TMPDIR"] = WORK.name
    if PART == "device":
        probe = run("step", "--sequences", 1, "--steps", 1)
        if probe.returncode == 3 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
            print("skipped:", probe.stderr.decode())
            sys.exit(77)
    {"host": host, "device": device}[PART]()
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


main()
