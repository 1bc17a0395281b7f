#!/usr/bin/env python3
"""Measures everything in docs/performance.md and prints its tables as Markdown.

Each figure is measured by several runs of a tool, each a process of its own; the median is reported, with the
smallest and largest in brackets. Build with --buildtype=release, and leave the machine alone meanwhile."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("tools", help="folder of the built tools: BUILD/tools")
parser.add_argument("--only", help="comma-separated: decode,long,prefill,paged,pool,trace,step,start", default="")
parser.add_argument("--rounds", type=int, default=3, help="runs of each tool (default 3)")
parser.add_argument("--trace", help="a trace in the Mooncake format, for the host side of the whole cache")
parser.add_argument("--prefix", default="", help="a command to run the tools under, such as 'taskset -c 0-3'")
parser.add_argument("--save", help="append the raw results to this file, a JSON object a line")
parser.add_argument("--plot", metavar="SVG", help="draw the figures of decode, pool and step (needs gnuplot)")
args = parser.parse_args()
rows = []
plots = {"decode": [], "pool": [], "step": []}  # lines of numbers, as tools/figures.gp reads them


def run(tool, *arguments):
    command = [*shlex.split(args.prefix), os.path.join(args.tools, tool), *map(str, arguments), "--json"]
    results = []
    for i in range(args.rounds):
        print(f"{' '.join(command)} ({i + 1} of {args.rounds})", file=sys.stderr, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            sys.exit(f"{tool} ended with {done.returncode}")
        results.append(json.loads(done.stdout))
        if args.save:
            with open(args.save, "a", encoding="utf-8") as f:
                f.write(json.dumps({"command": command, "result": results[-1]}) + "\n")
    return results


def short(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def add(what, values, unit, target="", met=None):
    """One line; met(value) judges the median against the target."""
    middle = statistics.median(values)
    spread = f" ({short(min(values))} … {short(max(values))})" if min(values) < max(values) else ""
    verdict = "" if met is None else "yes" if met(middle) else "**no**"
    rows.append((what, short(middle) + spread + (" " + unit if unit else ""), target, verdict))


def decode():
    for group, least in ((1, 0.75), (2, 0.75), (4, 0.75), (8, 0.6)):
        runs = run("clkv-bench", "attention", "--heads", 8 * group)
        plots["decode"].append([group, *(statistics.median(r[k] for r in runs)
                                         for k in ("gb_per_s", "stream_read_gb_per_s"))])
        what = f"decode, 16 × 4,096 tokens, {group} query head{'s' if group > 1 else ''} per KV head"
        add(what, [r["gb_per_s"] for r in runs], "GB/s")
        add("… of the device's read bandwidth in the same run", [r["bandwidth_ratio"] for r in runs], "",
            f"≥ {least}", lambda x, least=least: x >= least)


def long():
    batch = run("clkv-bench", "attention")
    alone = run("clkv-bench", "attention", "--batch", 1, "--context", 65536)
    add("decode, one sequence of 65,536 tokens", [r["gb_per_s"] for r in alone], "GB/s")
    add("… its share of the read bandwidth over that of 16 × 4,096 tokens",
        [a["bandwidth_ratio"] / b["bandwidth_ratio"] for a, b in zip(alone, batch)], "", "≥ 1 (noise: 0.97)",
        lambda x: x >= 0.97)


def prefill():
    runs = run("clkv-bench", "attention", "--batch", 1, "--context", 2048, "--queries", 2048)
    add("prefill, 2,048 causal tokens, 32 heads over 8", [r["gflop_per_s"] for r in runs], "GFLOP/s")
    add("… of the device's fp32 multiply-add rate in the same run", [r["peak_ratio"] for r in runs], "", "≥ 0.5",
        lambda x: x >= 0.5)


def paged():
    runs = run("clkv-bench", "attention", "--overhead")
    add("decode, shuffled blocks over consecutive ones", [100 * r["paged_overhead"] for r in runs], "% slower", "≤ 5 %",
        lambda x: x <= 5)


def pool():
    runs = run("clkv-bench", "pool")
    names = (("allocate and release", "allocate_release_ns"), ("match by prefix", "match_ns"),
             ("register", "register_ns"), ("evict", "evict_ns"))
    for size in sorted({s["blocks"] for s in runs[0]["sizes"]}):
        these = [s for r in runs for s in r["sizes"] if s["blocks"] == size and s["order"] == "sequences"]
        plots["pool"].append([size, *(statistics.median(s[key] for s in these) for _, key in names)])
    for what, key in names:
        for order in ("sequences", "random"):
            values = [s[key] for r in runs for s in r["sizes"] if s["blocks"] == 1000000 and s["order"] == order]
            judged = order == "sequences"
            add(f"{what}, 10⁶ blocks, released {'sequence by sequence' if judged else 'in random order'}", values,
                "ns per block", "≤ 50 ns", lambda x: x <= 50)


def trace():
    if not args.trace:
        return
    runs = run("clkv-replay", "--attention", "off", args.trace)
    add("the whole trace, host side, 16-token blocks", [r["seconds"] for r in runs], "s", "≤ 5 s", lambda x: x <= 5)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2 ** 20
    add("… memory at its peak", [peak], "GiB", "≤ 1 GiB", lambda x: x <= 1)


def step():
    runs = run("clkv-bench", "step", "--sequences", "1,16,256,1024")
    for n in (1, 16, 256, 1024):
        means = [s for r in runs for s in r["steps"] if s["sequences"] == n and s["kind"] == "all"]
        plots["step"].append([n, *(statistics.median(s[key] for s in means)
                                   for key in ("add_us", "reserve_us", "upload_us", "commit_us"))])
        for kind, what in (("inside", "no sequence takes a new block"), ("all", "mean over all steps")):
            these = [s for r in runs for s in r["steps"] if s["sequences"] == n and s["kind"] == kind]
            judged = n == 256
            add(f"decode step of {n:,} sequence{'s' if n > 1 else ''}, {what}: host", [s["total_us"] for s in these], "µs",
                "≤ 100 µs" if judged else "", (lambda x: x <= 100) if judged else None)
            judged = judged and kind == "inside"
            add("… uploaded", [s["uploaded_bytes"] for s in these], "bytes", "≤ 8,192" if judged else "",
                (lambda x: x <= 8192) if judged else None)


def start():
    runs = run("clkv-bench", "start")
    add("start to first result, cold", [r["cold_ms"] for r in runs], "ms")
    add("… with warm binary caches", [r["warm_ms"] for r in runs], "ms")
    add("… cold over warm", [r["speedup"] for r in runs], "×", "≥ 10 ×", lambda x: x >= 10)
    add("… cold over warm, the driver's own cache empty", [r["speedup_clkv"] for r in runs], "×")


def draw(picture):
    if not all(plots.values()):
        sys.exit("--plot needs the parts decode, pool and step")
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in plots.items():
            with open(os.path.join(folder, name + ".dat"), "w", encoding="utf-8") as f:
                f.writelines(" ".join(map(str, line)) + "\n" for line in lines)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "figures.gp")
        subprocess.run(["gnuplot", "-e", f"folder = '{folder}'; picture = '{picture}'", script], check=True)


parts = {"trace": trace, "decode": decode, "long": long, "prefill": prefill, "paged": paged, "pool": pool, "step": step,
         "start": start}
wanted = args.only.split(",") if args.only else list(parts)
for name in wanted:
    if name not in parts:
        parser.error(f"--only: no part '{name}'")
for name in parts:  # the trace first: the peak of memory is that of all children so far
    if name in wanted:
        parts[name]()
print("| figure | measured | target | met |\n| --- | --- | --- | --- |")
for row in rows:
    print("| " + " | ".join(row) + " |")
if args.plot:
    draw(args.plot)
