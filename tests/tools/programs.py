"""programs.py: the options of a program, as its --help lists them; for the tests of whatever repeats the list."""
# SPDX-License-Identifier: Apache-2.0
import os
import re
import subprocess

BENCH_COMMANDS = ["attention", "pool", "step", "start"]


def commands(path):
    """The lists of words that a program's options may follow: [[]], or its own and those of its commands."""
    return [[], *([name] for name in BENCH_COMMANDS)] if os.path.basename(path) == "clkv-bench" else [[]]


def options(path, command):
    """A dictionary: the name of each option, "--kv", and what --help calls its value, "f16|f32"; "" for none."""
    return {name: value for name, (value, _) in described(path, command).items()}


def described(path, command):
    """The same, with the text that --help has for the option, in one line."""
    done = subprocess.run([path, *command, "--help"], capture_output=True, timeout=60, check=True)
    found = re.findall(r"^  (--[a-z0-9-]+)(?: (\S+))?(?: *$|  )(.*(?:\n {20}.*)*)", done.stdout.decode(), re.MULTILINE)
    return {name: (value, " ".join(text.split())) for name, value, text in found}
