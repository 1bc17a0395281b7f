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
    with open(path, encoding="utf-8") as file:
        text = file.read()
    parts = [re.search(r"#define CLKV_VERSION_%s (\d+)" % p, text).group(1) for p in ("MAJOR", "MINOR", "PATCH")]
    abi = re.search(r"#define CLKV_ABI_VERSION (\d+)", text).group(1)
    return ".".join(parts), abi


def name_of(path):
    return os.path.splitext(os.path.basename(path))[0]


def text_of(path):
    """A file's text; a line '#include "part.cl"' becomes the text of that file."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return re.sub(r'^#include "([^"]+)"$', lambda m: text_of(os.path.join(os.path.dirname(path), m.group(1))).rstrip("\n"),
                  text, flags=re.MULTILINE)


def array(path, declaration):
    """A file as a C array of characters that ends with 0."""
    data = text_of(path).encode("utf-8") + b"\0"
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


def main(args):
    if args[0] == "--version-of":
        print(version(args[1])[0])
    elif args[0] == "--abi-of":
        print(version(args[1])[1])
    elif args[0] == "--texts":
        embed_texts(args[1], args[2], args[3], args[4:])
    else:
        embed(args[0], int(args[1]), args[2:])


if __name__ == "__main__":
    main(sys.argv[1:])
