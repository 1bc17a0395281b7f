#!/usr/bin/env python3
"""test_man.py FOLDER CC INCLUDE[:INCLUDE…] TOOL…: the manual pages in FOLDER have exactly the options that the programs
have, with their values and defaults; clkv(7) has every variable, and its example compiles. With scdoc, and mandoc or man,
the pages are made and checked for errors. Needs no device."""
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from programs import commands, described, name

FOLDER, CC, INCLUDES, TOOLS = pathlib.Path(sys.argv[1]), sys.argv[2].split(), sys.argv[3].split(":"), sys.argv[4:]
ROOT = FOLDER.parent.parent
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def plain(text):
    """Without the marks of scdoc."""
    return re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)\*|(?<!\w)_|_(?!\w)", "", text))


def options_of(text):
    """As described(), of a part of a page."""
    found = re.findall(r"^\*(--[a-z0-9-]+)\*(?: _(\S+)_)?\n((?:\t.*\n)+)", text, re.MULTILINE)
    names = re.findall(r"^\*(--[a-z0-9-]+)\*", text, re.MULTILINE)
    check(len(names) == len(set(names)) == len(found), f"options are there twice, or without a text: {names}")
    return {name: (value, " ".join(plain(body).split())) for name, value, body in found}


def compare(tool):
    called = name(tool)
    page = (FOLDER / f"{called}.1.scd").read_text(encoding="utf-8")
    check(page.startswith(f"{called}(1)") and f"# NAME\n\n{called} - " in page, f"{called}: the head of the page")
    whole = page[page.index("# OPTIONS\n"):]
    whole = whole[:re.search("^# (?!OPTIONS)", whole, re.MULTILINE).start()]
    for words in commands(tool):
        here = " ".join([called, *words])
        part = whole
        if len(commands(tool)) > 1:  # the program's own options come first, then a section for each command
            own, *sections = re.split(r"^## ", whole, flags=re.MULTILINE)
            named = {section.split("\n", 1)[0]: section for section in sections}
            part = named.get(here, "") if words else own
        known, written = described(tool, words), options_of(part)
        if words:  # the page says once that every command has them
            known = {option: value for option, value in known.items() if option not in ("--help", "--version")}
        check(set(known) == set(written),
              f"{here}: --help has {set(known) - set(written)}, the page has {set(written) - set(known)}")
        for option in known.keys() & written.keys():
            value, text = known[option]
            check(written[option][0] == value, f"{here} {option}: {value!r} is {written[option][0]!r} in the page")
            default = re.search(r"\(default (.*)\)$", text)
            told = re.search(r"Default: (.*)\.$", written[option][1])
            check((default and default[1]) == (told and told[1]),
                  f"{here} {option}: {default and default[1]!r} is {told and told[1]!r} in the page")


def variables():
    """Those that the library and the programs read, those of device.h, and those of docs/devices.md."""
    source = [p.read_text(encoding="utf-8") for room in ("src", "tools") for p in (ROOT / room).rglob("*.c")]
    found = set(re.findall(r'clkv_os_environment\("([A-Z_]+)"', "\n".join(source)))
    header = (ROOT / "include/clkv/device.h").read_text(encoding="utf-8")
    found |= set(re.findall(r"^ \*   (CLKV_[A-Z_]+)", header, re.MULTILINE))
    found |= set(re.findall(r"(?<=, )CLKV_[A-Z_]+(?=$)", header, re.MULTILINE))
    page = (ROOT / "docs/devices.md").read_text(encoding="utf-8")
    found |= set(re.findall(r"`((?!CLKV_ERROR)[A-Z]+_[A-Z_]+)(?:=[a-z]+)?`", page))
    check(len(found) > 20 and {"CLKV_DEVICE", "CLKV_CPU_FETCH", "POCL_CACHE_DIR", "TMPDIR"} <= found, f"found {found}")
    return found


def overview():
    page = (FOLDER / "clkv.7.scd").read_text(encoding="utf-8")
    part = page[page.index("# ENVIRONMENT"):page.index("# FILES")]
    written = set(re.findall(r"\*([A-Z]+(?:_[A-Z]+)*)\*", part))
    check(not variables() - written, f"variables that clkv(7) lacks: {variables() - written}")
    headers = {p.name for p in (ROOT / "include/clkv").iterdir() if p.suffix in (".h", ".hpp")}
    named = set(re.findall(r"\*clkv/([a-z]+\.h(?:pp)?)\*", page))
    check(headers == named, f"headers: {headers ^ named}")
    for tool in FOLDER.glob("clkv-*.1.scd"):
        check(f"*{tool.name[:-6]}*(1)" in page, f"clkv(7) does not name {tool.name}")
    example = re.search(r"```\n(#include.*?)```", page, re.DOTALL)[1].replace("\\\\", "\\")
    done = subprocess.run([*CC, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-xc", "-",
                           *("-I" + folder for folder in INCLUDES)], input=example.encode(), capture_output=True,
                          check=False)
    check(done.returncode == 0, f"the example: {done.stderr.decode()}")


def formatted():
    """mandoc warns of the empty paragraphs that scdoc makes, and of its long lines: both are nothing to see."""
    if not shutil.which("scdoc"):
        print("there is no scdoc: the pages were not made")
        return
    checkers = [tool for tool in ("mandoc", "man") if shutil.which(tool)]
    if not checkers:
        print("there is neither mandoc nor man: the pages were made and not checked")
    with tempfile.TemporaryDirectory() as work:
        for source in sorted(FOLDER.glob("*.scd")):
            made = subprocess.run(["scdoc"], input=source.read_bytes(), capture_output=True, check=False)
            check(made.returncode == 0 and made.stdout, f"{source.name}: {made.stderr.decode()}")
            page = os.path.join(work, source.stem)
            pathlib.Path(page).write_bytes(made.stdout)
            if "mandoc" in checkers:
                done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, check=False)
                said = [line for line in done.stdout.decode().splitlines() if "skipping paragraph macro" not in line]
                check(not said, f"{source.name}: {said}")
            if "man" in checkers:
                done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
                                      capture_output=True, check=False,
                                      env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"})
                check(done.returncode == 0 and not done.stderr, f"{source.name}: {done.stderr.decode()}")


for one in TOOLS:
    compare(one)
overview()
formatted()
print(f"{len(failures)} failures")
sys.exit(1 if failures or not TOOLS else 0)
