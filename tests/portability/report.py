#!/usr/bin/env python3
"""Makes the report in docs/devices.md of what `meson test --suite portability` found.

    tests/portability/report.py BUILD/meson-logs/testlog.json
    tests/portability/report.py RESULTS/gcc-short-portability.json RESULTS/trixie-*.json    (after tests/run.sh)

Two tables take the place of what is between the report's marks: what ran on which implementation, from meson's record
and from what the tests printed; and what was only compiled, from the record and tests/portability/resources.tsv.
A record without any test of that suite is refused. The records of the job `newer` (a release, then a build, a setup and a
suite) have the portable tests under their own names, so the release and the setup name the implementation. Exit status: 0 written, 1 refused, 2 usage.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs/devices.md"
BEGIN, END = "<!-- report.py writes from here -->\n", "<!-- to here -->\n"
KINDS = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}
RELEASES = {"trixie": "Debian 13", "noble": "Ubuntu 24.04"}
VENDORS = [("Intel", ("skl", "tgllp", "dg2", "pvc")), ("AMD", ("gfx",)), ("NVIDIA", ("ptx", "sm_"))]


def read_records(paths):
    """[(test's name, result, what it printed)] of the suite portability; a later run of a test counts."""
    tests = {}
    for path in paths:
        newer = re.match(r"(%s)-\w+-(pocl|rusticl)_" % "|".join(RELEASES), path.name)
        for line in path.read_text(encoding="utf-8").splitlines():
            test = json.loads(line)
            name = test["name"].split(" / ")[-1]
            if newer and "+portable" in test["name"]:
                name = "%s on %s of %s" % (name, newer[2], RELEASES[newer[1]])
            if re.match(r"compile \w+$|\w+ on \w", name):
                tests[name] = (name, KINDS.get(test["result"], "failed"), test.get("stdout", ""))
    return list(tests.values())


def counts(results):
    return " | ".join(str(results.count(kind)) for kind in ("passed", "failed", "skipped"))


def ran_table(tests):
    """One row per implementation, in the order of the build."""
    groups = {}
    for name, result, text in tests:
        if " on " in name:
            program, implementation = name.split(" on ", 1)
            groups.setdefault(implementation, []).append((program, result, text))
    lines = ["| implementation | devices: driver | kernels | passed | failed | skipped | not tried |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for implementation, group in sorted(groups.items(), key=lambda item: item[0].lower()):
        text = "\n".join(text for _, _, text in group)
        devices = dict.fromkeys(re.findall(r"^device: (.*)$", text, re.M))
        variants = sorted(set(re.findall(r"^on .*, (cpu|portable)\b", text, re.M)))
        untried = dict.fromkeys(re.findall(r"^not tried [^:\n]*: (.*)$", text, re.M))
        lines.append("| %s | %s | %s | %s | %s |" % (
            implementation, "; ".join(devices), ", ".join(variants), counts([result for _, result, _ in group]),
            "; ".join(untried)))
    return lines


def vendor_of(target):
    return next((name for name, starts in VENDORS if target.startswith(starts)), "any: strict OpenCL C 1.2 to SPIR-V 1.0")


def compiled_table(tests, table):
    """One row per target, in the order of the table of resources."""
    compilers, rows = {}, {}
    for line in table.read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if cells[0] == "# compiler":
            compilers[cells[1]] = cells[2]
        elif len(cells) == 7 and cells[0] != "target":
            rows.setdefault(cells[0], []).append((cells[2], *map(int, cells[3:])))
    results = {name.split()[1]: result for name, result, _ in tests if name.startswith("compile ")}
    programs = {name.split()[1]: re.search(r": (\d+) programs", text) for name, _, text in tests
                if name.startswith("compile ")}
    lines = ["| target | compiler | programs | kernels | attention: lanes, most registers, most local memory | bytes "
             "spilled, all kernels | |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for target, compiler in compilers.items():
        kernels = rows.get(target, [])
        attention = [row for row in kernels if row[0] == "clkv_attention"]
        figures = "–"
        if attention:
            lanes = sorted({row[1] for row in attention})
            figures = "%s, %d, %d" % ("/".join(map(str, lanes)), max(row[2] for row in attention),
                                      max(row[4] for row in attention))
        count = programs.get(target)
        lines.append("| %s %s | %s | %s | %s | %s | %s | compiled only: %s |" % (
            vendor_of(target), target, compiler, count.group(1) if count else "–", len(kernels) or "–", figures,
            sum(row[3] for row in kernels) if kernels else "–", results.get(target, "not in this run")))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=pathlib.Path, nargs="+", metavar="RECORD",
                        help="meson's records of the run, or of several (JSON lines)")
    parser.add_argument("--page", type=pathlib.Path, default=PAGE, help="default: %(default)s")
    args = parser.parse_args()
    try:
        tests, page = read_records(args.records), args.page.read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError) as why:
        print("report.py: %s" % why, file=sys.stderr)
        return 1
    if not tests or BEGIN not in page or END not in page:
        what = "no test of the suite portability in the record" if not tests else "%s has no marks" % args.page
        print("report.py: " + what, file=sys.stderr)
        return 1
    body = ran_table(tests) + [""] + compiled_table(tests, HERE / "resources.tsv")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    args.page.write_text(before + BEGIN + "\n".join(body) + "\n" + END + after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
