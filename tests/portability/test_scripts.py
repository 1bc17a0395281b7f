#!/usr/bin/env python3
"""compile.py and report.py themselves: what fails a kernel, the table there and back, the report of a record.
SPDX-License-Identifier: Apache-2.0
"""
import importlib.util
import json
import pathlib
import re
import shutil
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


# What strict.py and clang must refuse: (why, source, a word of the message). Every kernel is named k.
ARGUMENTS = "__kernel void k(__global float *p, __global int *n, __local float *l, __global half *h) "
REFUSED = [
    ("printf", ARGUMENTS + '{ printf("%d", n[0]); }', "calls printf"),
    ("recursion", "int f(int x); int f(int x) { return x ? f(x - 1) : 0; } " + ARGUMENTS + "{ n[0] = f(n[1]); }",
     "f is recursive"),
    ("recursion by way of another", "int f(int x); int g(int x); int f(int x) { return g(x); } "
     "int g(int x) { return x ? f(x - 1) : 0; } " + ARGUMENTS + "{ n[0] = f(n[1]); }", "f is recursive"),
    ("two kernels", ARGUMENTS + "{ p[0] = 1; } __kernel void other(__global int *n) { n[0] = 1; }", "2 kernels"),
    ("no kernel", "int f(int x); int f(int x) { return x; }", "0 kernels"),
    ("a wide load", ARGUMENTS + "{ p[0] = (*(__global float8 *)(p + 8)).s3; }", "more than 16 bytes"),
    ("a wide store", ARGUMENTS + "{ *(__local float16 *)l = (float16)(p[0]); }", "more than 16 bytes"),
    ("vload16", ARGUMENTS + "{ p[0] = vload16(0, p).s3; }", "more than 16 bytes"),
    ("vload_half16", ARGUMENTS + "{ p[0] = vload_half16(0, h).s3; }", "more than 16 bytes"),
    ("vstore_half16_rte", ARGUMENTS + "{ vstore_half16_rte((float16)(p[0]), 0, h); }", "more than 16 bytes"),
    ("vstore8 of local memory", ARGUMENTS + "{ vstore8((float8)(p[0]), 0, l); }", "more than 16 bytes"),
    ("a program-scope variable", "__global int x; " + ARGUMENTS + "{ n[0] = x; }", "constant address space"),
    ("a program-scope variable without a space", "int x; " + ARGUMENTS + "{ n[0] = x; }", "constant address space"),
    ("a static variable", ARGUMENTS + "{ static int x = 1; n[0] = x++; }", "cannot be declared static"),
    ("__local outside of a kernel", "void f(void); void f(void) { __local int a[3]; a[0] = 1; } " + ARGUMENTS + "{ f(); }",
     "local address space"),
    ("a pointer to a function", "int f(int x); int f(int x) { return x; } " + ARGUMENTS +
     "{ int (*g)(int) = f; n[0] = g(1); }", "pointers to functions"),
    ("an array of variable length", ARGUMENTS + "{ int x[n[0]]; x[0] = 1; n[1] = x[0]; }", "variable length"),
    ("arithmetic on halves", ARGUMENTS + "{ h[0] = h[1]; }", "cl_khr_fp16"),
    ("half4", "__kernel void k(__global half4 *h) { h[0] = h[1]; }", "half4"),
    ("fp64", ARGUMENTS + "{ double x = p[0]; p[1] = x; }", "cl_khr_fp64"),
    ("sub-groups", ARGUMENTS + "{ p[0] = sub_group_reduce_add(p[0]); }", "sub_group_reduce_add"),
    ("OpenCL C 2.0's work-group functions", ARGUMENTS + "{ p[0] = work_group_reduce_add(p[0]); }", "work_group"),
    ("a generic pointer", ARGUMENTS + "{ float f = 0; float *q = n[0] ? &f : p; p[0] = *q; }", "pointer"),
    ("64-bit atomics", "__kernel void k(__global long *n) { atom_add(n, 1L); }", "atom_add"),
    ("an extension's macro", "#ifdef cl_khr_fp16\n#endif\n" + ARGUMENTS + "{ p[0] = 1; }", "asks the compiler for cl_khr_fp16"),
    ("the system", "#if defined(CLKV_X) && !defined __APPLE__\n#endif\n" + ARGUMENTS + "{ p[0] = 1; }", "__APPLE__"),
]
GOOD = ("__constant float table[2] = { 1.0f, 2.0f }; float f(__global const float *p); "
        "float f(__global const float *p) { return vload4(0, p).x + table[0]; } " + ARGUMENTS +
        "{ *(__local float4 *)l = *(__global float4 *)p; p[4] = f(p) + vload_half8(0, h).s1; n[0] = 1; }")


@unittest.skipUnless(all(shutil.which(tool) for tool in COMPILE.Strict.tools), "no clang 15, llvm-spirv 15 or spirv-val")
class Strict(unittest.TestCase):
    def refusal(self, source, gpu=True, one_kernel=True):
        """What the strict target says against a program; '' when it passes."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "k.cl")
            path.write_text(source + "\n", encoding="utf-8")
            build = COMPILE.Build("test", [path], "-cl-std=CL1.2", gpu=gpu, one_kernel=one_kernel)
            return COMPILE.compile_one(COMPILE.TARGETS["spirv"], build)[2] or ""

    def test_good(self):
        self.assertEqual(self.refusal(GOOD), "")

    def test_each_refusal(self):
        for why, source, word in REFUSED:
            with self.subTest(why):
                self.assertIn(word, self.refusal(source))

    def test_where_it_is_allowed(self):
        wide, two = REFUSED[7][1], REFUSED[3][1]
        self.assertEqual(self.refusal(wide, gpu=False), "")
        self.assertEqual(self.refusal(two, one_kernel=False), "")

    def test_the_compiler_has_nothing_else(self):
        macros = subprocess.run(["clang-15", *COMPILE.strict.FLAGS, "-dM", "-E", "/dev/null"], check=True,
                                capture_output=True, text=True).stdout
        self.assertIn("#define __OPENCL_C_VERSION__ 120\n", macros)
        self.assertEqual(re.findall(r"#define (cl_\w+|__opencl_c_(?:fp64|subgroups|generic_address_space)\w*)", macros), [])


class Report(unittest.TestCase):
    def report(self, tests, file="log.json", suite="portability"):
        """Exit status and the page, for a record of (name, result, stdout)."""
        with tempfile.TemporaryDirectory() as folder:
            record, page = pathlib.Path(folder, file), pathlib.Path(folder, "page.md")
            page.write_text("before\n<!-- report.py writes from here -->\nold\n<!-- to here -->\nafter\n", encoding="utf-8")
            record.write_text("".join(json.dumps({"name": "clkv:%s / %s" % (suite, name), "result": result,
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

    def test_newer_linux(self):
        tests = [("device", "OK", "device: Portable / Zen: 6.0\n"), ("attention", "OK", "on Zen, cpu\n")]
        status, page = self.report(tests, "trixie-clang-pocl_tiny-device.json", "device+portable")
        self.assertEqual(status, 0)
        self.assertIn("| pocl of Debian 13 | Portable / Zen: 6.0 | cpu | 2 | 0 | 0 |  |", page)
        self.assertEqual(self.report(tests, "trixie-clang-pocl_tiny-device.json", "device")[0], 1)
        self.assertEqual(self.report(tests, "gcc-pocl_tiny-device.json", "device+portable")[0], 1)

    def test_refused(self):
        status, page = self.report([("batch", "OK", "")])
        self.assertEqual(status, 1)
        self.assertIn("old", page)


if __name__ == "__main__":
    unittest.main()
