#!/usr/bin/env python3
"""Breaks the code on purpose and sees whether the tests notice.

  mutate.py [--quick] [--build DIR] [--only TEXT] [--trust] [--list]

The source tree is copied, and each mutation of mutations.py is made in the copy, one at a time, built, and put to
the tests that are to notice it. Kernels and src/ops: test_numbers, which ends with the first wrong case, then
test_blocks and test_strides, on whatever OpenCL devices the environment offers. src/core, src/plan and
src/kv: the unit tests. A mutation that no test
notices is a survivor; one that does not fit the file, or does not build, is an error.

Exit status: 0 all noticed, 1 survivors or errors, 2 usage, 77 no OpenCL device for a mutation that needs one.
SPDX-License-Identifier: Apache-2.0"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import mutations

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("cl", "docs", "include", "src", "tests", "tools", "meson.build", "meson_options.txt", "README.md")
UNIT = ("pool", "plan", "ref", "batch", "batch_limits", "sequence", "life", "forget", "pending", "prefix", "manager",
        "prefix_random", "random")
UNIT_ROOMS = ("src/core/", "src/plan/", "src/kv/")
LIMIT = 400  # seconds for one test: what never ends is noticed too


class Error(Exception):
    """The mutation itself is wrong."""


def all_mutations(quick, only):
    """(file, name, old, new, count) of those asked for."""
    for table in (mutations.KERNELS, mutations.HOST):
        for path, entries in table.items():
            for name, old, new, *count in entries:
                if quick and name not in mutations.QUICK.get(path, ()):
                    continue
                if only in f"{path}: {name}":
                    yield path, name, old, new, count[0] if count else 1


def mutated(path, text, old, new, count):
    found = text.count(old)
    if found != count:
        raise Error(f"its text is in {path} {found} times, not {count}")
    return text.replace(old, new)


class Place:
    """The copy of the source tree, and its build."""

    def __init__(self, base):
        self.source, self.build, self.cache = base / "source", base / "build", base / "cache"
        for folder in (self.source, self.cache / "clkv", self.cache / "pocl"):
            folder.mkdir(parents=True)
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copy(ROOT / part, self.source / part)
        self.run(["meson", "setup", "-Dtools=disabled", "-Doptimization=1", "-Ddebug=false",
                  str(self.build), str(self.source)])

    @staticmethod
    def run(command):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise Error("does not build:\n" + done.stdout.decode(errors="replace")[-2000:])

    def make(self, tests):
        self.run(["ninja", "-C", str(self.build), *(f"tests/{test}" for test in tests)])

    def test(self, program, *arguments, **variables):
        """None when the test passes, else how it noticed."""
        # Programs are cached by what they are made of: those that are not broken are compiled once.
        env = {**os.environ, "CK_FORK": "no", "CLKV_TEST_GRID": "small", "XDG_CACHE_HOME": str(self.cache / "clkv"),
               "POCL_CACHE_DIR": str(self.cache / "pocl"), **variables}
        try:
            done = subprocess.run([str(self.build / "tests" / program), *arguments], env=env, timeout=LIMIT,
                                  cwd=self.cache, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        except subprocess.TimeoutExpired:
            return "it never ends"
        text = done.stdout.decode(errors="replace")
        if "clBuildProgram" in text:
            raise Error("the kernel does not build:\n" + text[-2000:])
        if done.returncode == 77:
            print(text.strip())
            sys.exit(77)
        if done.returncode == 0:
            return None
        lines = [line for line in text.splitlines() if re.search("FAILED on|:[FE]:|signal", line)]
        return (lines or [f"exit {done.returncode}"])[0].strip()[-150:]


def checks_for(path):
    """What is to notice a mutation of a file: (program, arguments, environment), the quickest first."""
    if path.startswith(UNIT_ROOMS):
        return [(f"unit/test_{name}", (), {}) for name in UNIT]
    first, blocks, long = [], [], []
    for variant in ("cpu", "portable"):
        if path.startswith("cl/attention_cpu") and variant == "portable" or \
           path == "cl/attention_portable.cl" and variant == "cpu":
            continue
        env = {"CLKV_VARIANT": variant}
        first.append(("device/test_numbers", ("--stop", "1", "--programs", "5", "--cases", "30"), env))
        blocks.append(("device/test_blocks", (), env))
        blocks.append(("device/test_strides", (), env))
        long.append(("device/test_numbers", ("--stop", "1", "--programs", "40", "--cases", "40"), env))
    return first + blocks + long


def put_to_the_test(place, path, name, old, new, count):
    """How it was noticed, or None."""
    file = place.source / path
    text = file.read_text(encoding="utf-8")
    checks = checks_for(path)
    try:
        file.write_text(mutated(path, text, old, new, count), encoding="utf-8")
        place.make(sorted({program for program, _, _ in checks}))
        for program, arguments, env in checks:
            noticed = place.test(program, *arguments, **env)
            if noticed:
                return f"{program}: {noticed}"
        return None
    finally:
        file.write_text(text, encoding="utf-8")


def check_unbroken(place, chosen):
    """What is not broken must pass, or noticing means nothing."""
    for path in sorted({UNIT_ROOMS[0] if path.startswith(UNIT_ROOMS) else "cl/" for path, *_ in chosen}):
        checks = checks_for(path)
        place.make(sorted({program for program, _, _ in checks}))
        for program, arguments, env in checks:
            if "40" in arguments:
                continue
            noticed = place.test(program, *arguments, **env)
            if noticed:
                raise Error(f"the code fails as it is: {program}: {noticed}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the few that CI runs")
    parser.add_argument("--build", type=pathlib.Path, help="work here (default: a temporary folder)")
    parser.add_argument("--only", default="", help="those whose 'file: name' contains this text")
    parser.add_argument("--trust", action="store_true", help="do not first see whether unbroken code passes")
    parser.add_argument("--list", action="store_true", help="only say what there is, and that it fits the code")
    options = parser.parse_args()
    chosen = list(all_mutations(options.quick, options.only))
    errors, survivors, start = [], [], time.monotonic()
    for path, name, old, new, count in chosen:
        try:
            mutated(path, (ROOT / path).read_text(encoding="utf-8"), old, new, count)
        except Error as error:
            errors.append(f"{path}: {name}: {error}")
    if options.list or errors:
        print("\n".join(errors or (f"{path}: {name}" for path, name, *_ in chosen)))
        return 1 if errors else 0
    with tempfile.TemporaryDirectory() as temporary:
        base = options.build or pathlib.Path(temporary)
        shutil.rmtree(base, ignore_errors=True)
        try:
            place = Place(base)
            if not options.quick and not options.trust:
                check_unbroken(place, chosen)
        except Error as error:
            print(error)
            return 1
        for mutation in chosen:
            what = f"{mutation[0]}: {mutation[1]}"
            try:
                noticed = put_to_the_test(place, *mutation)
                if not noticed:
                    survivors.append(what)
            except Error as error:
                noticed = f"ERROR: {error}"
                errors.append(what)
            print(f"{time.monotonic() - start:6.0f} s  {what}: {noticed or 'SURVIVED'}", flush=True)
    print(f"{len(chosen)} mutations, {len(survivors)} survived, {len(errors)} errors")
    for what in survivors + errors:
        print(f"  {what}")
    return 1 if survivors or errors else 0


if __name__ == "__main__":
    sys.exit(main())
