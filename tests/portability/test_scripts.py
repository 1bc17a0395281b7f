#!/usr/bin/env python3
"""compile.py and report.py themselves: what fails a kernel, the table there and back, the report of a record.
SPDX-License-Identifier: Apache-2.0
"""
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent


def load(name):
    spec = importlib.util.spec_from_file_location("clkv_" + name, HERE / (name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COMPILE = load("compile")
KEY = ("gfx1030", "d128 g4", "clkv_attention")
OLD = {KEY: (32, 100, 0, 10000)}


def complaints(row, table=None, same_compiler=True):
    return list(COMPILE.breaches(COMPILE.TARGETS["gfx1030"], [KEY + row] if row else [],
                                 OLD if table is None else table, same_compiler))


class Compile(unittest.TestCase):
    def test_good(self):
        self.assertEqual(complaints((32, 100, 0, 10000)), [])
        self.assertEqual(complaints((32, 110, 0, 11000)), [])  # a tenth is no jump
        self.assertEqual(complaints((32, 40, 0, 0)), [])

    def test_each_breach(self):
        for row, word in [((32, 100, 4, 10000), "spills 4 bytes"), ((32, 111, 0, 10000), "111 registers"),
                          ((32, 100, 0, 11001), "11001 bytes of local memory"), ((64, 100, 0, 10000), "64 lanes")]:
            with self.subTest(row=row):
                found = complaints(row)
                self.assertEqual(len(found), 1)
                self.assertIn(word, found[0])
                self.assertIn("gfx1030, d128 g4 of clkv_attention", found[0])
        self.assertEqual(len(complaints((32, 100, 0, 40000))), 2)  # above the limit, and a jump

    def test_missing_rows(self):
        self.assertIn("not in the table", complaints((32, 100, 0, 10000), {})[0])
        self.assertIn("in the table only", complaints(None)[0])

    def test_another_compiler(self):
        self.assertEqual(complaints((64, 200, 0, 20000), same_compiler=False), [])
        self.assertEqual(len(complaints((32, 100, 4, 10000), same_compiler=False)), 1)  # a spill always counts

    def test_table_there_and_back(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "table.tsv")
            COMPILE.write_table(path, {"gfx1030": "clang 15"}, OLD)
            self.assertEqual(COMPILE.read_table(path), ({"gfx1030": "clang 15"}, OLD))

    def test_the_table_has_no_spill(self):
        _, rows = COMPILE.read_table(HERE / "resources.tsv")
        self.assertGreater(len(rows), 500)
        self.assertEqual([key for key, row in rows.items() if row[2] or row[3] > COMPILE.MOST_LOCAL], [])


class Report(unittest.TestCase):
    def report(self, tests):
        """Exit status and the page, for a record of (name, result, stdout)."""
        with tempfile.TemporaryDirectory() as folder:
            record, page = pathlib.Path(folder, "log.json"), pathlib.Path(folder, "page.md")
            page.write_text("before\n<!-- report.py writes from here -->\nold\n<!-- to here -->\nafter\n", encoding="utf-8")
            record.write_text("".join(json.dumps({"name": "clkv:portability / " + name, "result": result,
                                                  "stdout": text}) + "\n" for name, result, text in tests), encoding="utf-8")
            done = subprocess.run([sys.executable, HERE / "report.py", record, "--page", page], capture_output=True,
                                  check=False)
            return done.returncode, page.read_text(encoding="utf-8")

    def test_rows(self):
        status, page = self.report([
            ("device on pocl", "OK", "device: Portable / Zen: 3.1\n"), ("attention on pocl", "OK", "on Zen, cpu\n"),
            ("slab on pocl", "FAIL", "not tried on Zen: large ones\n"), ("device on intel", "SKIP", ""),
            ("compile gfx1030", "OK", "gfx1030: 25 programs, 47 kernels, …: good\n")])
        self.assertEqual(status, 0)
        self.assertIn("| pocl | Portable / Zen: 3.1 | cpu | 2 | 1 | 0 | large ones |", page)
        self.assertIn("| intel |  |  | 0 | 0 | 1 |  |", page)
        self.assertRegex(page, r"\| AMD gfx1030 \|.*\| 25 \|.*compiled only: passed \|")
        self.assertRegex(page, r"\| AMD gfx906 \|.*compiled only: not in this run \|")
        self.assertTrue(page.startswith("before\n") and page.endswith("after\n") and "old" not in page)

    def test_refused(self):
        status, page = self.report([("batch", "OK", "")])
        self.assertEqual(status, 1)
        self.assertIn("old", page)


if __name__ == "__main__":
    unittest.main()
