#!/usr/bin/env python3
"""run.py NAME PROGRAM [--runs N] [--seconds S] [--corpus FOLDER] [--seed N]: one fuzz target.

Makes its seeds (seeds.py), and lets libFuzzer make N inputs of them, or as many as S seconds are enough for. Inputs
worth keeping go to FOLDER; an input that breaks something is kept there too (crash-…, timeout-…, oom-…), without a
folder it is printed as base64. A program without libFuzzer only gets the seeds, and what is in FOLDER.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import base64
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from command import WRAPPER, command  # noqa: E402  (its folder is known only now)

MOST_BYTES = {"gguf": 8192, "safetensors": 4096, "checkpoint": 4096}  # of an input; 2048 else
LIMITS = ["-rss_limit_mb=1024", "-malloc_limit_mb=256", "-timeout=5", "-error_exitcode=1", "-timeout_exitcode=1"]
MEMORY = "/dev/shm"  # some targets write files, thousands a second


def has_libfuzzer(program):
    if WRAPPER:
        return False
    done = subprocess.run([program, "-help=1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return b"libFuzzer" in done.stdout


def show(folder):
    for found in sorted(folder.iterdir()):
        print("%s: %s" % (found.name, base64.b64encode(found.read_bytes()).decode()), flush=True)


def fuzz(args, scratch, seeds):
    corpus, found = scratch / "corpus", scratch / "found"
    if args.corpus:
        corpus = found = pathlib.Path(args.corpus)
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    command = [args.program, *LIMITS, "-max_len=%d" % MOST_BYTES.get(args.name, 2048), "-seed=%d" % args.seed,
               "-close_fd_mask=1", "-print_final_stats=1", "-verbosity=%d" % (1 if args.seconds else 0),
               "-artifact_prefix=%s/" % found]
    if args.runs:
        command.append("-runs=%d" % args.runs)
    if args.seconds:
        command.append("-max_total_time=%d" % args.seconds)
    words = HERE / "words" / (args.name + ".dict")
    if words.exists():
        command.append("-dict=%s" % words)
    done = subprocess.run(command + [str(corpus), str(seeds)], check=False)
    if done.returncode and not args.corpus:
        show(found)
    return done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("program")
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--corpus")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clkv-fuzz-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as name:
        scratch = pathlib.Path(name)
        seeds = scratch / "seeds"
        os.environ["TMPDIR"] = str(scratch)
        if args.name == "params":  # an OpenCL driver in the process: its leaks are not ours
            os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
            os.environ.setdefault("OCL_ICD_VENDORS", "/etc/OpenCL/vendors/pocl.icd")
        subprocess.run([sys.executable, str(HERE / "seeds.py"), args.name, str(seeds)], check=True)
        if has_libfuzzer(args.program):
            return fuzz(args, scratch, seeds)
        corpus = [args.corpus] if args.corpus else []
        return subprocess.run([*command(args.program), str(seeds), *corpus], check=False).returncode


sys.exit(main())
