#!/usr/bin/env python3
"""Build helper: turns cl/*.cl into C byte arrays, and reads the version out of version.h.

  embed.py --version-of include/clkv/version.h
  embed.py OUT.c FILE.cl...
"""
import os
import re
import sys


def version(path):
    text = open(path, encoding="utf-8").read()
    parts = [re.search(r"#define CLKV_VERSION_%s (\d+)" % p, text).group(1) for p in ("MAJOR", "MINOR", "PATCH")]
    abi = re.search(r"#define CLKV_ABI_VERSION (\d+)", text).group(1)
    return ".".join(parts), abi


def embed(out_path, paths):
    lines = ['/* Made by cl/embed.py from cl/: do not edit. */', '#include "device/source.h"', ""]
    names = []
    for path in paths:
        name = os.path.splitext(os.path.basename(path))[0]
        names.append(name)
        data = open(path, "rb").read() + b"\0"
        lines.append("static const char text_%s[] = {" % name)
        for i in range(0, len(data), 24):
            lines.append("    " + ",".join(str(b if b < 128 else b - 256) for b in data[i:i + 24]) + ",")
        lines.append("};")
    lines.append("")
    lines.append("const clkv_source clkv_sources[] = {")
    for name in names:
        lines.append('    { "%s", text_%s, sizeof text_%s - 1 },' % (name, name, name))
    lines.append("    { 0, 0, 0 },")
    lines.append("};")
    with open(out_path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


if sys.argv[1] == "--version-of":
    print(version(sys.argv[2])[0])
elif sys.argv[1] == "--abi-of":
    print(version(sys.argv[2])[1])
else:
    embed(sys.argv[1], sys.argv[2:])
