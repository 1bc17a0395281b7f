#!/usr/bin/env python3
"""test_options.py TOOL…: what every program says of options that it cannot take as they were given. Needs no
device."""
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from command import command, name  # noqa: E402  (its folder is known only now)

failures = []


def refused(tool, arguments, *words, without=()):
    done = subprocess.run([*command(tool[0]), *tool[1:], *arguments], capture_output=True, timeout=60)
    text = done.stderr.decode()
    called = " ".join([name(tool[0]), *tool[1:]])
    good = (done.returncode == 2 and not done.stdout and text.startswith(called + ": ") and text.count("\n") == 1 and
            all(w in text for w in words) and not any(w in text for w in without))
    if not good:
        failures.append(arguments)
        print(f"FAILED: {called} {arguments}: exit {done.returncode}: {done.stdout!r} {text!r}, not {words}")


def every_tool(tool):
    """All of them have --json and --help."""
    refused(tool, ["--json=yes"], "--json takes no value", "--json=yes", without=["unknown", "ambiguous"])
    refused(tool, ["--help=yes"], "--help takes no value")
    refused(tool, ["--js=1"], "--json takes no value", "--js=1")
    for meant, spellings in {"json": ["--jsn", "--jsno", "--jon", "--jjson", "--jsn=1", "---json", "-json"],
                             "version": ["--verison", "--versoin"]}.items():
        for given in spellings:
            refused(tool, [given], f"unknown option {given}: did you mean --{meant}?", "--help",
                    without=["ambiguous"])
    for given in ("--nothing-of-the-kind", "-j", "--" + "j" * 300):
        refused(tool, [given], "unknown option", "--help", without=["did you mean"])
    refused(tool, ["--\x1b[2J"], "unknown option --?[2J", without=["\x1b"])


def particular(tools):
    """What only some have: options with values, names that begin alike, commands."""
    generate = tools.get("clkv-generate")
    if generate:
        refused([generate], ["--promt", "x"], "did you mean --prompt?")
        refused([generate], ["--temprature=1"], "did you mean --temperature?")
        refused([generate], ["--top_p", "1"], "did you mean --top-p?")
        refused([generate], ["--pro"], "--pro is ambiguous: --prompt, --prompt-file, --prompts, --profile")
        refused([generate], ["--pro=x"], "--pro=x is ambiguous", "--prompt-file")
        refused([generate], ["--st"], "ambiguous", "--steps", "--stream")
        refused([generate], ["--steps"], "--steps needs a value", "a whole number from 1")
        refused([generate], ["--step"], "--steps needs a value")
        refused([generate], ["--steps", "--json"], "--steps needs a value", "--json follows")
        refused([generate], ["--steps="], "--steps: '' is not a whole number")
        refused([generate], ["--model"], "--model needs a value: FILE")
        refused([generate], ["--gemm"], "--gemm needs a value", "own", "clblast")
        refused([generate], ["--gemm", "onw"], "'onw' is not one of auto, own")
    bench = tools.get("clkv-bench")
    if bench:
        refused([bench], ["poll"], "'poll'", "did you mean pool?")
        refused([bench], ["nothing"], "attention, pool, step or start")


paths = {name(path): path for path in sys.argv[1:]}
for tool, path in paths.items():
    for words in [["attention"], ["pool"], ["step"], ["start"]] if tool == "clkv-bench" else [[]]:
        every_tool([path, *words])
particular(paths)
print(f"options of {len(paths)} programs: {len(failures)} failures")
sys.exit(1 if failures or not paths else 0)
