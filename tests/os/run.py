#!/usr/bin/env python3
"""run.py PROGRAM REPLACEMENTS [EMULATOR…]: test_os in a folder and an environment of its own. With `wine` among the
emulator's words the folder gets the name that Windows has for it. SPDX-License-Identifier: Apache-2.0"""
import os
import subprocess
import sys
import tempfile


def main():
    program, replacements, emulator = sys.argv[1], sys.argv[2], sys.argv[3:]
    with tempfile.TemporaryDirectory(prefix="clkv-os-") as folder:
        name = "Z:" + folder.replace("/", "\\") if any("wine" in word for word in emulator) else folder
        env = dict(os.environ, TEST_OS_TEXT="grün € 😀", TEST_OS_EMPTY="")
        env.setdefault("HOME", folder)
        env.pop("TEST_OS_UNSET", None)
        sys.exit(subprocess.run([*emulator, program, name, replacements], env=env, check=False).returncode)


main()
