#!/usr/bin/env python3
"""needs.py itself: which OpenCL functions it finds in sources, and which of them it refuses.
SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import needs  # noqa: E402  (its folder is known only now)

HEADER = """
extern CL_API_ENTRY cl_int CL_API_CALL
clFlush(cl_command_queue command_queue) CL_API_SUFFIX__VERSION_1_0;
extern CL_API_ENTRY CL_API_PREFIX__VERSION_1_2_DEPRECATED cl_command_queue CL_API_CALL
clCreateCommandQueue(cl_context context,
                     cl_int *   errcode_ret) CL_API_SUFFIX__VERSION_1_2_DEPRECATED;
extern CL_API_ENTRY void * CL_API_CALL
clSVMAlloc(cl_context context) CL_API_SUFFIX__VERSION_2_0;
"""


def calls_in(text):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("src", "tools", "tests"):
            (pathlib.Path(folder) / name).mkdir()
        (pathlib.Path(folder) / "src" / "x.c").write_text(text, encoding="utf-8")
        return needs.opencl_calls(pathlib.Path(folder))


class Needs(unittest.TestCase):
    def test_versions(self):
        self.assertEqual(needs.opencl_versions(HEADER),
                         {"clFlush": (1, 0), "clCreateCommandQueue": (1, 2), "clSVMAlloc": (2, 0)})

    def test_calls(self):
        found = calls_in("/* clFinish() */ e = clFlush(q); // clSVMFree(c)\nclkv_open(); clSVMAlloc\n(c);")
        self.assertEqual(sorted(found), ["clFlush", "clSVMAlloc"])

    def test_newer(self):
        versions = needs.opencl_versions(HEADER)
        self.assertEqual(needs.newer_calls(versions, calls_in("clFlush(q); clCreateCommandQueue(c, d, 0, &e);")), [])
        for name in ("clSVMAlloc", "clNobodyHas"):
            (line,) = needs.newer_calls(versions, calls_in(name + "(c);"))
            self.assertEqual(line, "src/x.c: calls %s, which OpenCL 1.2 does not have" % name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
