#!/usr/bin/env python3
"""readme_example.py README.md OUT.h: takes the C example out of the README, so that a test compiles and runs it.
SPDX-License-Identifier: Apache-2.0
"""
import re
import sys

text = open(sys.argv[1], encoding="utf-8").read()
found = re.findall(r"^```c\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
if len(found) != 1:
    sys.exit("README.md has %d C examples, not one" % len(found))
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write("/* Taken from README.md by tests/device/readme_example.py. */\n" + found[0])
