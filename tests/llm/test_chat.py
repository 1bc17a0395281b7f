#!/usr/bin/env python3
"""test_chat.py TOOL PART: clkv-generate --interactive on a random model. PART is one of
   terminal   a user at a terminal: commands, interrupts, a full context
   editing    arrow keys, history and UTF-8 (exit status 77 when the program was built without libedit)
   pipe       lines from a pipe, commands among them
Exit status 77 where there is no OpenCL device."""
# SPDX-License-Identifier: Apache-2.0
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import command as tests  # noqa: E402  (its folder is known only now)

TOOL, PART = tests.command(sys.argv[1]), sys.argv[2]
WORK = tempfile.TemporaryDirectory()
MODEL = os.path.join(WORK.name, "random.gguf")
LONG = os.path.join(WORK.name, "long.gguf")  # the same with eight times its context
PROMPT = rb"\[(\d+)/(\d+)\] > "
LIMIT = 600  # seconds that a device may take for a part of an answer, or for its kernels, on a busy machine
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def command(*arguments, model=MODEL):
    return [*TOOL, "--model", model, "--interactive", "--ignore-end", *map(str, arguments)]


class Terminal:
    """The program on a terminal of its own, of which it is the foreground job."""

    def __init__(self, *arguments, term="xterm", non_blocking=False, model=MODEL, **env):
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        os.set_blocking(theirs, not non_blocking)
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG")}
        self.program = subprocess.Popen(command(*arguments, model=model), stdin=theirs, stdout=theirs, stderr=theirs,
                                        start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                        env={**base, "HOME": WORK.name, "TERM": term, **env})
        self.text = b""  # that came and was not expected yet
        self.all = b""

    def type(self, keys):
        os.write(self.ours, keys)

    def read(self):
        """False when nothing more will come."""
        if not select.select([self.ours], [], [], LIMIT)[0]:
            sys.exit(f"FAILED: the program says nothing more: {self.text[-500:]!r}")
        try:
            got = os.read(self.ours, 65536)
        except OSError as e:
            if e.errno != errno.EIO:
                raise
            return False
        self.text += got
        self.all += got
        return bool(got)

    def expect(self, pattern):
        """What comes until the pattern, and the match."""
        while not (found := re.search(pattern, self.text)):
            if self.program.poll() is not None and not select.select([self.ours], [], [], 0)[0]:
                sys.exit(f"FAILED: no {pattern!r}: the program has ended: {self.all[-1000:]!r}")
            self.read()
        before, self.text = self.text[:found.start()], self.text[found.end():]
        return before, found

    def prompt(self):
        """Tokens in the context, and what came before the prompt."""
        before, found = self.expect(PROMPT)
        return int(found[1]), before

    def interrupt(self):
        """Types Ctrl-C and waits for the prompt. The system throws away what is written while it handles the key, and
        that may be the prompt: then an interrupt without a key brings it again."""
        self.type(b"\x03")
        for _ in range(LIMIT // 30):
            while not re.search(PROMPT, self.text) and select.select([self.ours], [], [], 30)[0] and self.read():
                pass
            if re.search(PROMPT, self.text) or self.program.poll() is not None:
                break
            self.program.send_signal(signal.SIGINT)
        return self.prompt()

    def say(self, line):
        """Types a line at the prompt and waits for the next one."""
        self.type(line + b"\r")
        return self.prompt()

    def end(self, what):
        self.type(b"\x04")
        try:
            code = self.program.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.program.kill()
            code = "none"
        check(code == 0, f"{what}: Ctrl-D: exit {code}: {self.all[-500:]!r}")
        check(termios.tcgetattr(self.theirs) == self.before, f"{what}: the terminal is left in another mode")
        os.close(self.theirs)
        os.close(self.ours)


def conversation(what, **how):
    t = Terminal("--steps", 20, **how)
    at, greeting = t.prompt()
    check(at == 0, f"{what}: {at} tokens at the start")
    for word in (b"Chat with ", b"llama", b"context 2048 tokens", b"/help", b"/reset", b"/stats"):
        check(word in greeting, f"{what}: the greeting has no {word!r}: {greeting!r}")
    _, said = t.say(b"/help")
    check(all(word in said for word in (b"/reset ", b"/stats ", b"Ctrl-C", b"Ctrl-D")), f"{what}: /help: {said!r}")
    _, said = t.say(b"/nonsense")
    check(b"no command /nonsense" in said, f"{what}: an unknown command: {said!r}")
    at, said = t.say(b"/stats")
    check(at == 0 and b"0 of 2048 tokens" in said and b"0 of 0 prompt tokens" in said, f"{what}: /stats: {said!r}")
    if how.get("term") == "dumb" or "NO_COLOR" in how:
        check(b"\x1b" not in t.all, f"{what}: escape codes: {t.all!r}")
    first, _ = t.say(b"the quick brown fox")
    second, _ = t.say(b"jumps")
    check(20 < first and first + 20 < second, f"{what}: {first} and {second} tokens after two turns")
    at, said = t.say(b"/stats")
    check(at == second and b"%d of 2048 tokens" % second in said, f"{what}: /stats after two turns: {said!r}")
    check(re.search(rb"answers     2, of 40 tokens in [\d.]+ s: [\d.]+ tokens/s", said), f"{what}: speed: {said!r}")
    hits, asked = map(int, re.search(rb"cache hits  (\d+) of (\d+) ", said).groups())
    check(hits == first - 1 and asked == first - 20 + second - 20, f"{what}: {hits} hits of {asked}, {first}, {second}")
    at, said = t.say(b"/reset")
    check(at == 0 and b"new conversation" in said, f"{what}: /reset: {at} {said!r}")
    again, _ = t.say(b"the quick brown fox")
    check(again == first, f"{what}: {again} tokens after the same line, not {first}")
    t.type(b"half a line")
    at, said = t.interrupt()
    check(at == again and b"Ctrl-D" in said, f"{what}: Ctrl-C at the prompt: {at} {said!r}")
    at, said = t.say(b"/stats")
    check(at == again and b"context" in said, f"{what}: after Ctrl-C at the prompt: {said!r}")
    t.end(what)


def interrupt(what, **how):
    """What nobody reads holds the answer up, so that it cannot be finished when the interrupt comes: the whole answer
    does not fit into what a terminal keeps for its reader."""
    t = Terminal("--steps", 16000, model=LONG, **how)
    t.prompt()
    t.type(b"a\r")
    t.expect(rb"\n.{20}(?s:.)")
    at, _ = t.interrupt()
    check(0 < at < 16000, f"{what}: {at} tokens after an interrupt")
    _, said = t.say(b"/stats")
    check(b"answers     1" in said, f"{what}: /stats after an interrupt: {said!r}")
    t.end(what)


def ahead(what, **how):
    """The next line and the end of the input are typed while an answer comes."""
    t = Terminal("--steps", 300, **how)
    t.prompt()
    t.type(b"a\r")
    t.expect(rb"\n.{20}(?s:.)")
    t.type(b"/stats\r")
    t.expect(rb"answers     1")
    t.prompt()
    t.type(b"b\r")
    t.expect(rb"\n.{20}(?s:.)")
    t.end(what)


def full(what, **how):
    t = Terminal("--steps", 100, "--blocks", 4, "--block-size", 16, **how)
    t.prompt()
    for turn in range(2):
        at, said = t.say(b"the quick brown fox")
        check(at == 64 and b"context of 64 tokens is full: /reset" in said, f"{what}: filling: {at} {said!r}")
        for line in (b"more", b"x" * 300):
            at, said = t.say(line)
            check(at == 64 and b"context of 64 tokens is full: /reset" in said, f"{what}: full: {at} {said!r}")
        at, _ = t.say(b"/reset")
        check(at == 0, f"{what}: {at} tokens after /reset")
        at, said = t.say(b"word " * 100)
        check(at == 0 and b"has room for 64" in said, f"{what}: a long line: {at} {said!r}")
    t.end(what)


def test_terminal():
    conversation("xterm", non_blocking=True)
    conversation("dumb", term="dumb", non_blocking=True)
    conversation("no colour", NO_COLOR="1")
    for what, how in (("xterm", {}), ("dumb", {"term": "dumb"})):
        interrupt(what, **how)
        ahead(f"{what}, typed ahead", **how)
        full(what, **how)


def test_editing():
    if os.environ.get("CLKV_TEST_LIBEDIT") != "1":
        print("skipped: built without libedit")
        sys.exit(77)
    left, up = b"\x1b[D", b"\x1b[A"
    t = Terminal("--steps", 5)
    t.prompt()
    _, said = t.say(b"/hlp" + 2 * left + b"e")
    check(b"Ctrl-D" in said, f"an edited line: {said!r}")
    _, said = t.say(b"/stasts" + 2 * left + b"\x7f")
    check(b"cache hits" in said, f"a line with a letter taken out: {said!r}")
    _, said = t.say(up + up)
    check(b"Ctrl-D" in said, f"the line before the last one: {said!r}")
    _, said = t.say("/é".encode())
    check("no command /é:".encode() in said, f"a line of UTF-8: {said!r}")
    _, said = t.say("/éß".encode() + left + "ü€".encode())
    check("no command /éü€ß:".encode() in said, f"an edited line of UTF-8: {said!r}")
    _, said = t.say(b"/\xff\xc3x")
    check(b"no command /x:" in said, f"bytes that are no text: {said!r}")
    t.end("editing")


def run(text, *arguments):
    return subprocess.run(command("--steps", 20, *arguments), input=text, capture_output=True, timeout=LIMIT)


def test_pipe():
    one = run(b"the quick brown fox\n")
    check(one.returncode == 0 and one.stdout and b"> " not in one.stdout + one.stderr,
          f"pipe: {one.returncode} {one.stderr!r}")
    two = run(b"the quick brown fox\r\n/reset\n/stats\nthe quick brown fox")
    check(two.returncode == 0 and two.stdout == 2 * one.stdout, f"pipe: /reset: {two.returncode} {two.stdout!r}")
    check(b"answers     1, of 20 tokens" in two.stderr and b"Chat with" not in two.stderr, f"pipe: {two.stderr!r}")
    check(b"/help  " in run(b"/help\n").stderr, "pipe: /help")
    odd = run(b"/etc/passwd\nthe quick brown fox\n")
    check(odd.returncode == 1 and odd.stdout == one.stdout and b"no command /etc/passwd" in odd.stderr,
          f"pipe: an unknown command: {odd.returncode} {odd.stderr!r}")
    slash = run(b"//etc/passwd\n")
    check(slash.returncode == 0 and slash.stdout and b"command" not in slash.stderr,
          f"pipe: //: {slash.returncode} {slash.stderr!r}")
    check(run(b"").returncode == 0 and not run(b"").stdout, "pipe: no lines")

    given = ["--blocks", 4, "--block-size", 16, "--steps", 100]
    full = run(b"word " * 100 + 3 * b"\nthe quick brown fox" + b"\n/reset\nthe quick brown fox\n", *given)
    alone = run(b"the quick brown fox\n", *given)
    check(full.returncode == 1 and full.stdout == 2 * alone.stdout and
          b"room for 64" in full.stderr and b"64 tokens is full" in full.stderr,
          f"pipe: a full context: {full.returncode} {full.stderr!r}")

    # Whoever writes may have made the pipe non-blocking.
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with subprocess.Popen(command("--steps", 20), stdin=reader, stdout=subprocess.PIPE) as program:
        os.close(reader)
        try:
            program.wait(timeout=1)
        except subprocess.TimeoutExpired:
            pass
        os.write(writer, b"the quick")
        os.write(writer, b" brown fox\n")
        os.close(writer)
        out = program.stdout.read()
    check(program.returncode == 0 and out == one.stdout, f"pipe: non-blocking: {program.returncode} {out!r}")


made = subprocess.run([*TOOL, "--make-random", "1M", MODEL], capture_output=True, timeout=LIMIT)
check(made.returncode == 0, f"--make-random: {made.stderr!r}")
key = b"llama.context_length" + struct.pack("<I", 4)  # a uint32
with open(MODEL, "rb") as file:
    model = file.read()
check(key + struct.pack("<I", 2048) in model, "--make-random: the context is not 2048")
with open(LONG, "wb") as file:
    file.write(model.replace(key + struct.pack("<I", 2048), key + struct.pack("<I", 16384)))
if run(b"").returncode == 3 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
    print("skipped: no OpenCL device")
    sys.exit(77)
{"terminal": test_terminal, "editing": test_editing, "pipe": test_pipe}[PART]()
print(f"{PART}: {len(failures)} failures")
sys.exit(1 if failures else 0)
