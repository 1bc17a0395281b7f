"""programs.py: what tests of several programs do: they read the options of a program from its --help, and end a program by
a signal."""
# SPDX-License-Identifier: Apache-2.0
import os
import re
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from command import command, is_posix, name  # noqa: E402, F401  (its folder is known only now)

BENCH_COMMANDS = ["attention", "pool", "step", "start"]


def commands(path):
    """The lists of words that a program's options may follow: [[]], or its own and those of its commands."""
    return [[], *([one] for one in BENCH_COMMANDS)] if name(path) == "clkv-bench" else [[]]


def options(path, words):
    """A dictionary: the name of each option, "--kv", and what --help calls its value, "f16|f32"; "" for none."""
    return {option: value for option, (value, _) in described(path, words).items()}


def described(path, words):
    """The same, with the text that --help has for the option, in one line."""
    done = subprocess.run([*command(path), *words, "--help"], capture_output=True, timeout=60, check=True)
    found = re.findall(r"^  (--[a-z0-9-]+)(?: (\S+))?(?: *$|  )(.*(?:\n {20}.*)*)", done.stdout.decode(), re.MULTILINE)
    return {option: (value, " ".join(text.split())) for option, value, text in found}


def stopped(words, shown, number=signal.SIGINT):
    """Sends a signal when the line of progress, on a terminal, has had what this expression finds. Returns how the program
    ended, what it printed, and what the terminal got. A program that never shows it is killed after ten minutes."""
    import pty  # Windows has no such module
    ours, theirs = pty.openpty()
    program = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs,
                               preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    os.close(theirs)
    killer = threading.Timer(600, program.kill)
    killer.start()
    said, sent = b"", False
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:  # the program has ended
            break
        if not sent and re.search(shown, said):
            program.send_signal(number)
            sent = True
            out = program.stdout.read()
    os.close(ours)
    if not sent:
        out = program.stdout.read()
    killer.cancel()
    return program.wait(), out, said
