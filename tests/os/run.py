#!/usr/bin/env python3
"""run.py PROGRAM REPLACEMENTS: test_os in a folder and an environment of its own. A Windows program under wine gets the
name that Windows has for the folder. Under qemu the program is told that it cannot start itself once more.
SPDX-License-Identifier: Apache-2.0"""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from command import WRAPPER, command, is_posix  # noqa: E402  (its folder is known only now)


def main():
    program, replacements = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="clkv-os-") as folder:
        under_wine = os.name == "posix" and not is_posix(program)
        name = "Z:" + folder.replace("/", "\\") if under_wine else folder
        env = dict(os.environ, TEST_OS_TEXT="grün € 😀", TEST_OS_EMPTY="")
        env.setdefault("HOME", folder)
        if any("qemu" in word for word in WRAPPER):
            env["TEST_OS_ALONE"] = "1"
        env.pop("TEST_OS_UNSET", None)
        sys.exit(subprocess.run([*command(program), name, replacements], env=env, check=False).returncode)


main()
