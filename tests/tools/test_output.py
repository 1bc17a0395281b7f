#!/usr/bin/env python3
"""test_output.py TOOL…: what the programs print reaches a slow reader behind a non-blocking descriptor, is an error
where it cannot be written, and holds no escape codes on any terminal."""
# SPDX-License-Identifier: Apache-2.0
import errno
import os
import signal
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from command import WRAPPER, command, is_posix, name  # noqa: E402  (its folder is known only now)

if not all(map(is_posix, sys.argv[1:])):
    print("skipped: the programs have neither pseudo-terminals nor SIGPIPE")
    sys.exit(77)
import fcntl  # noqa: E402  (Windows has no such modules)
import pty  # noqa: E402
import termios  # noqa: E402

os.environ.pop("COLUMNS", None)
TOOLS = {name(path): command(path) for path in sys.argv[1:]}
F_SETPIPE_SZ = 1031
WORK = tempfile.TemporaryDirectory()
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def trace():
    path = os.path.join(WORK.name, "trace.csv")
    with open(path, "w", encoding="utf-8") as f:
        f.write("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "2023,4000,30\n" * 500)
    return path


def commands():
    for path in TOOLS.values():
        yield [*path, "--help"]
        yield [*path, "--version"]
    if "clkv-bench" in TOOLS:
        yield [*TOOLS["clkv-bench"], "pool", "--help"]
    yield [*TOOLS["clkv-replay"], trace(), "--limit", "3"]
    yield [*TOOLS["clkv-replay"], trace(), "--limit", "3", "--json"]


def called(words):
    """The program and its first argument."""
    return " ".join([name(words[len(WRAPPER)]), *words[len(WRAPPER) + 1:][:1]])


def lines(text):
    """Without what differs from run to run."""
    return [line for line in text.splitlines() if b"second" not in line and b"per_s" not in line]


def drain(fd):
    out = b""
    try:
        while piece := os.read(fd, 1000):
            out += piece
    except OSError as e:  # the end of a terminal
        if e.errno != errno.EIO:
            raise
    os.close(fd)
    return out


def slow_reader(words, wanted):
    """The pipe is full and non-blocking; nobody reads from it until the program waits (or has given up)."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    filled = 0
    try:
        while True:
            filled += os.write(writer, b"x" * 512)
    except BlockingIOError:
        pass
    with subprocess.Popen(words, stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as program:
        os.close(writer)
        try:
            program.wait(timeout=0.3)
        except subprocess.TimeoutExpired:
            pass
        out = drain(reader)
        said = program.stderr.read()
    check(program.returncode == 0 and not said, f"{called(words)}: slow reader: {program.returncode} {said!r}")
    check(out[:filled] == b"x" * filled and lines(out[filled:]) == wanted, f"{called(words)}: slow reader: {out!r}")


def gone_reader(words, ignored):
    """Quietly: by the signal, or where that is ignored with status 1."""
    reader, writer = os.pipe()
    os.close(reader)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL)
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, restore_signals=False, timeout=60)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.close(writer)
    check(done.returncode == (1 if ignored else -signal.SIGPIPE) and not done.stderr,
          f"{called(words)}: the reader is gone: {done.returncode} {done.stderr!r}")


def refused(words):
    program = name(words[len(WRAPPER)]).encode()
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, timeout=60)
    check(done.returncode == 1 and b": cannot write the output: No space left" in done.stderr and
          done.stderr.startswith(program) and done.stderr.count(b"\n") == 1,
          f"{called(words)}: a full disk: {done.returncode} {done.stderr!r}")
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE, timeout=60)
    check(done.returncode == 1 and b": cannot write the output: " in done.stderr,
          f"{called(words)}: stdout is closed: {done.returncode} {done.stderr!r}")


def on_terminal(arguments, term, non_blocking=False, columns=0, **env):
    """Exit status, and what a terminal of some columns (0: it does not say) gets from both streams."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    if non_blocking:
        os.set_blocking(theirs, False)
    with subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs,
                          env={**os.environ, "TERM": term, **env}) as program:
        os.close(theirs)
        out = drain(ours)
    return program.returncode, out


def terminals():
    """A line of progress appears, is taken away before the table, and is made of plain characters."""
    words = [*TOOLS["clkv-replay"], trace(), "--chunk", "64"]
    for term, env in (("dumb", {}), ("xterm", {"NO_COLOR": "1"}), ("xterm", {})):
        for non_blocking in (False, True):
            code, out = on_terminal(words, term, non_blocking, **env)
            check(code == 0 and b"\x1b" not in out, f"{term} {env}: exit {code}: {out!r}")
            check(out.startswith(b"\r") and b"\rrequests " in out, f"{term} {env}: progress: {out!r}")
    code, out = on_terminal([*TOOLS["clkv-replay"], "nowhere"], "dumb")
    check(code == 2 and out.startswith(b"clkv-replay: nowhere") and b"\x1b" not in out, f"a message: {code} {out!r}")


def widths():
    """A line of progress leaves the last column of a row free; COLUMNS wins; what is no progress is not cut."""
    words = [*TOOLS["clkv-replay"], trace(), "--chunk", "64"]
    plain = lines(subprocess.run(words, capture_output=True, timeout=60).stdout)
    for columns, env, wanted in ((40, {}, 40), (0, {}, 80), (40, {"COLUMNS": "30"}, 30), (40, {"COLUMNS": "x"}, 40),
                                 (1, {}, 1), (40, {"COLUMNS": "200"}, 200)):
        code, out = on_terminal(words, "xterm", columns=columns, **env)
        pieces = out.split(b"\r\n")[0].split(b"\r")  # the last one is the table's first line
        shown = [piece for piece in pieces[:-1] if piece.strip()]
        longest = max(map(len, pieces[:-1]))
        check(code == 0 and longest < wanted, f"{columns} columns, {env}: progress of {longest}: {out!r}")
        # Every line but the first one is longer than that.
        check(wanted > 40 or longest == wanted - 1, f"{columns} columns, {env}: {longest} used: {out!r}")
        check(wanted == 1 or shown, f"{columns} columns, {env}: no progress: {out!r}")
        table = b"\n".join(lines(out.replace(b"\r\n", b"\n").split(b"\r")[-1]))
        check(table == b"\n".join(plain), f"{columns} columns, {env}: the table is {table!r}, not {plain!r}")


for one in commands():
    plain = subprocess.run(one, capture_output=True, timeout=60)
    check(plain.returncode == 0 and plain.stdout, f"{called(one)}: {plain.returncode} {plain.stderr!r}")
    slow_reader(one, lines(plain.stdout))
    gone_reader(one, True)
    gone_reader(one, False)
    refused(one)
terminals()
widths()
print(f"{len(failures)} failures")
sys.exit(1 if failures else 0)
