#!/usr/bin/env python3
"""Build helper: turns cl/*.cl into C byte arrays, and reads the version out of version.h.

  embed.py --version-of include/clkv/version.h
  embed.py OUT.c N FILE.cl...                     the first N are compiled before each of the others
  embed.py --texts HEADER PREFIX OUT.c FILE...    each file as const char PREFIX<its name>[]
"""
import os
import re
import sys


def version(path):
    text = open(path, encoding="utf-8").read()
    parts = [re.search(r"#define CLKV_VERSION_%s (\d+)" % p, text).group(1) for p in ("MAJOR", "MINOR", "PATCH")]
    abi = re.search(r"#define CLKV_ABI_VERSION (\d+)", text).group(1)
    return ".".join(parts), abi


def name_of(path):
    return os.path.splitext(os.path.basename(path))[0]


def array(path, declaration):
    """A file as a C array of characters that ends with 0."""
    data = open(path, "rb").read() + b"\0"
    lines = ["%s[] = {" % declaration]
    for i in range(0, len(data), 24):
        lines.append("    " + ",".join(str(b if b < 128 else b - 256) for b in data[i:i + 24]) + ",")
    return lines + ["};"]


def write(out_path, header, lines):
    lines = ["/* Made by cl/embed.py: do not edit. */", '#include "%s"' % header, ""] + lines
    with open(out_path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def embed(out_path, n_shared, paths):
    lines = []
    for path in paths:
        lines += array(path, "static const char text_" + name_of(path))
    lines += ["", "const clkv_source clkv_sources[] = {"]
    for i, name in enumerate(map(name_of, paths)):
        lines.append('    { "%s", text_%s, sizeof text_%s - 1, %d },' % (name, name, name, i < n_shared))
    lines += ["    { 0, 0, 0, 0 },", "};"]
    write(out_path, "program/source.h", lines)


def embed_texts(header, prefix, out_path, paths):
    write(out_path, header, [line for path in paths for line in array(path, "const char " + prefix + name_of(path))])


if sys.argv[1] == "--version-of":
    print(version(sys.argv[2])[0])
elif sys.argv[1] == "--abi-of":
    print(version(sys.argv[2])[1])
elif sys.argv[1] == "--texts":
    embed_texts(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
else:
    embed(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
