#!/usr/bin/env python3
"""test_locale.py HOST DATA TOOL…: a user's locale changes nothing. Each program prints in a German locale, where 0.5 is
written 0,5, byte for byte what it prints in the locale C; and so does HOST, a program that has set the locale before it
calls the library, in Turkish locales too, where the small letter of I is no i. The locales are made here by localedef
(exit status 77 without it)."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from command import command, is_posix, name  # noqa: E402  (its folder is known only now)

if not all(map(is_posix, sys.argv[1:])):
    print("skipped: LOCPATH is for POSIX systems")
    sys.exit(77)
import pty  # noqa: E402  (Windows has no such module)

HOST, DATA = sys.argv[1], sys.argv[2]
TOOLS = {name(path): command(path) for path in sys.argv[3:]}
WORK = tempfile.TemporaryDirectory()
LOCALES = os.path.join(WORK.name, "locales")
GERMAN, TURKISH = "de_DE.UTF-8", ("tr_TR.UTF-8", "tr_TR.ISO-8859-9")
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def make_locales():
    if not shutil.which("localedef"):
        print("skipped: there is no localedef")
        sys.exit(77)
    os.mkdir(LOCALES)
    for locale in (GERMAN, *TURKISH):
        language, charset = locale.split(".")
        done = subprocess.run(["localedef", "-i", language, "-f", charset, os.path.join(LOCALES, locale)],
                              capture_output=True)
        # Without the sources of locales (Debian's package `locales`) it may leave a part of the folder.
        if done.returncode > 1 or not os.path.exists(os.path.join(LOCALES, locale, "LC_NUMERIC")):
            print("skipped: localedef cannot make", locale, done.stderr.decode(errors="replace"))
            sys.exit(77)
        point = run(["locale", "decimal_point"], locale).stdout.strip()
        if point != b",":
            print("skipped: the C library does not take the locale", locale, "that localedef made:", point)
            sys.exit(77)


def environment(locale):
    return {**os.environ, "LOCPATH": LOCALES, "LC_ALL": locale, "LANG": locale}


def run(words, locale):
    return subprocess.run(words, capture_output=True, timeout=600, stdin=subprocess.DEVNULL, env=environment(locale))


def write(name, content):
    path = os.path.join(WORK.name, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(content)
    return path


def commands():
    """Runs whose output is the same every time, but for times and rates, and how they end."""
    mooncake = write("trace.jsonl", "".join(json.dumps({"timestamp": 27.5 * i, "input_length": 500.0, "output_length": 20,
                                                        "hash_ids": [0]}) + "\n" for i in range(20)))
    azure = write("trace.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n" +
                  "2023-11-16 18:17:03.9799600,400,30\n" * 20)
    odd = write("odd.jsonl", json.dumps({"timestamp": 0, "input_length": 0.5, "output_length": 1, "hash_ids": []}) + "\n")
    for arguments in ((mooncake,), ("--json", mooncake), (azure,), ("--json", azure)):
        yield 0, ["clkv-replay", *arguments]
    yield 2, ["clkv-replay", odd]
    cases = os.path.join(DATA, "attention", "stories260K_layer1.safetensors")
    if os.path.exists(cases):
        yield 0, ["clkv-verify", "--json", cases]
        yield 1, ["clkv-verify", "--kv", "f16", cases]
    yield 0, ["clkv-info"]
    yield 0, ["clkv-info", "--json"]
    model = os.path.join(WORK.name, "grün.gguf")
    sampled = ["clkv-generate", "--model", model, "--prompt", "grün", "--steps", "30", "--temperature", "0.75",
               "--top-p", "0.9", "--min-p", "0.001", "--memory", "0.1G"]
    yield 0, ["clkv-generate", "--make-random", "1M", model]
    yield 0, sampled
    yield 0, [*sampled, "--json", "--samples", "2"]
    for wrong in ("0,5", "1.5x"):
        yield 2, ["clkv-generate", "--model", model, "--temperature", wrong]
    yield 2, ["clkv-generate", "--model", model, "--top-p", "1.5"]
    for tool in TOOLS:
        yield 0, [tool, "--help"]


def stable(text):
    """Without the lines that hold times, rates, or free memory, whose form is checked all the same."""
    unstable = rb"second|_s\b|per_s|_ms|tokens/s|memory|bytes|usable"
    return [line for line in text.splitlines() if not re.search(unstable, line)]


def commas(text):
    return re.findall(rb"[^\n]*\d,\d[^\n]*", text)


def programs():
    for code, (tool, *arguments) in commands():
        if tool not in TOOLS:
            continue
        words = [*TOOLS[tool], *arguments]
        plain, german = run(words, "C"), run(words, GERMAN)
        what = " ".join([tool, *arguments])
        if plain.returncode == 3 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
            print("not tried without a device:", what)
            continue
        check(plain.returncode == german.returncode == code,
              f"{what}: {plain.returncode}, {german.returncode}: {german.stderr!r}")
        for a, b in ((plain.stdout, german.stdout), (plain.stderr, german.stderr)):
            check(stable(a) == stable(b), f"{what}: {a!r} is {b!r} in German")
            check(commas(a) == commas(b), f"{what}: numbers with a comma: {commas(b)}")


def measured():
    """What clkv-bench prints differs from run to run, but for its form."""
    words = [*TOOLS["clkv-bench"], "pool", "--blocks", "1000"]
    for more in ([], ["--json"]):
        done = run(words + more, GERMAN)
        check(done.returncode == 0 and re.search(rb"\d\.\d", done.stdout) and not commas(done.stdout.replace(b", ", b" ")),
              f"clkv-bench: {done.returncode} {done.stdout!r} {done.stderr!r}")


def chat():
    """The chat edits lines in the user's alphabet, and still writes numbers with a point."""
    model = os.path.join(WORK.name, "grün.gguf")
    ours, theirs = pty.openpty()
    with subprocess.Popen([*TOOLS["clkv-generate"], "--model", model, "--interactive"], stdin=theirs, stdout=theirs,
                          stderr=theirs, env={**environment(GERMAN), "TERM": "xterm", "HOME": WORK.name}) as program:
        os.close(theirs)
        os.write(ours, b"/stats\r\x04")
        out = b""
        try:
            while piece := os.read(ours, 4096):
                out += piece
                if out.endswith(b"> "):
                    os.write(ours, b"\x04")
        except OSError:
            pass
    os.close(ours)
    if program.returncode == 3 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
        print("not tried without a device: the chat")
        return
    check(program.returncode == 0 and re.search(rb"in \d+\.\d\d s", out) and not re.search(rb"\d,\d", out),
          f"the chat: {program.returncode} {out!r}")


def host():
    plain = run([*command(HOST), "."], "C")
    if plain.returncode == 77 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
        print("not tried without a device: the host program")
        return
    check(plain.returncode == 0, f"the host program: {plain.returncode} {plain.stdout!r} {plain.stderr!r}")
    for locale in (GERMAN, *TURKISH):
        done = run([*command(HOST), ","], locale)
        check(done.returncode == 0 and done.stdout == plain.stdout,
              f"the host program in {locale}: {done.returncode} {done.stdout[:800]!r}, not {plain.stdout[:800]!r}")


make_locales()
programs()
if "clkv-bench" in TOOLS:
    measured()
if HOST != "-":
    host()
if "clkv-generate" in TOOLS and os.path.exists(os.path.join(WORK.name, "grün.gguf")):
    chat()
print(f"{len(failures)} failures")
sys.exit(1 if failures else 0)
