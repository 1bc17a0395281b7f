#!/usr/bin/env python3
"""long.py BUILD FOLDER [--hours H] [--slice S] [NAME…]: the fuzz targets of a -Dfuzz=true build in turn, S seconds each
(default 120), for H hours (default 8). Each keeps its inputs in FOLDER/NAME, so that a next run goes on from there; an
input that breaks something is kept there too, and its target rests. FOLDER/log has a line for every slice.

long.py --report FOLDER: hours, executions and inputs kept, by target. SPDX-License-Identifier: Apache-2.0
"""
import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
FOUND = ("crash-", "timeout-", "oom-", "leak-")


def report(folder):
    seconds, runs, features = collections.Counter(), collections.Counter(), {}
    for line in (folder / "log").read_text().splitlines():
        name, took, ran, cov = line.split()[:4]
        seconds[name] += float(took)
        runs[name] += int(ran)
        features[name] = int(cov)
    for name in sorted(seconds):
        inputs = [p.name for p in (folder / name).iterdir()]
        found = sum(i.startswith(FOUND) for i in inputs)
        print("%-12s %6.2f h %12d runs %6d edges %6d inputs %3d found" % (
            name, seconds[name] / 3600, runs[name], features[name], len(inputs) - found, found))
    print("%-12s %6.2f h %12d runs" % ("all", sum(seconds.values()) / 3600, sum(runs.values())))


def slice_of(name, program, folder, seconds, seed):
    begun = time.time()
    done = subprocess.run([sys.executable, str(HERE / "run.py"), name, str(program), "--seconds", str(seconds), "--seed",
                           str(seed), "--corpus", str(folder / name)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors="replace")
    runs = re.findall(r"stat::number_of_executed_units: (\d+)", text)
    edges = re.findall(r" cov: (\d+)", text)
    with open(folder / "log", "a", encoding="utf-8") as log:
        print(name, "%.1f" % (time.time() - begun), runs[-1] if runs else 0, edges[-1] if edges else 0,
              "exit", done.returncode, file=log)
    if done.returncode:
        (folder / (name + ".broken")).write_text(text)
    return done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", metavar="FOLDER")
    parser.add_argument("--hours", type=float, default=8)
    parser.add_argument("--slice", type=int, default=120)
    parser.add_argument("build", nargs="?")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_intermixed_args()  # names may stand behind options
    if args.report:
        return report(pathlib.Path(args.report))
    if not args.folder:
        parser.error("BUILD and FOLDER are needed")
    folder = pathlib.Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    programs = {p.name[5:]: p for p in sorted(pathlib.Path(args.build, "tests/fuzz").glob("fuzz_*")) if p.is_file()}
    names = args.names or sorted(programs)
    end, seed = time.time() + 3600 * args.hours, int(time.time())
    while names and time.time() < end:
        for name in list(names):
            seed += 1
            if time.time() < end and slice_of(name, programs[name], folder, args.slice, seed % (1 << 31)):
                print("%s: see %s" % (name, folder / (name + ".broken")), flush=True)
                names.remove(name)
    return report(folder)


os.nice(19)
sys.exit(main())
