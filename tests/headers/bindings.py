#!/usr/bin/env python3
"""Reads the public headers as tools for bindings do: bindings.py pycparser|libclang INCLUDE,... HEADER... -- CC...

pycparser: each header, preprocessed by CC with CLKV_PLAIN, parses without fake headers and without any other macro.
libclang: each header parses without a message, with CLKV_PLAIN and no other header in reach, and as programs see it; and
both ways have the same functions, structs and enumerators, of the same types, sizes and offsets.
Both must find the functions that the headers mark with CLKV_API, which the suite `install` compares with the library's.

Exit status: 0 as it should be, 1 not, 77 the package (pycparser or libclang of PyPI) is not here.
SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import subprocess
import sys


def marked(headers):
    """The functions that the texts of headers mark with CLKV_API."""
    names = set()
    for header in headers:
        text = re.sub(r"/\*.*?\*/|^#.*?$", "", header.read_text(encoding="utf-8"), flags=re.S | re.M)
        names |= set(re.findall(r"CLKV_API [^;{(]*?[ *](clkv_\w+)\(", text))
    return names


def pycparser_functions(header, includes, cc):
    """The functions that pycparser finds when a program includes a header."""
    from pycparser import c_ast, c_parser
    text = subprocess.run([*cc, "-E", "-x", "c", "-DCLKV_PLAIN", *["-I" + folder for folder in includes], "-"],
                          input="#include <clkv/%s>\n" % header.name, capture_output=True, text=True, check=True).stdout
    tree = c_parser.CParser().parse(text, header.name)
    return {node.name for node in tree.ext if isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl)}


def libclang_declarations(header, includes, options):
    """({what is declared: its type, size and offsets}, messages) when a program includes a header."""
    from clang.cindex import CursorKind, Index
    unit = Index.create().parse("program.c", ["-std=c11", *options, *["-I" + folder for folder in includes]],
                                [("program.c", "#include <clkv/%s>\n" % header.name)])
    found = {}
    for node in unit.cursor.get_children():
        if not node.location.file or "/clkv/" not in node.location.file.name or node.location.file.name.endswith("plain.h"):
            continue
        kind = node.type.get_canonical()
        if node.kind == CursorKind.FUNCTION_DECL:
            found["function " + node.spelling] = kind.spelling
        elif node.kind == CursorKind.ENUM_DECL:
            for one in node.get_children():
                found["enumerator " + one.spelling] = one.enum_value
        elif node.kind == CursorKind.STRUCT_DECL:
            found["struct " + node.spelling] = kind.get_size()
            for field in kind.get_fields():
                found["field %s.%s" % (node.spelling, field.spelling)] = (
                    field.type.get_canonical().spelling, kind.get_offset(field.spelling))
    return found, [str(message) for message in unit.diagnostics]


def libclang_functions(header, includes, cc):
    """The functions that libclang finds when a program includes a header; raises ValueError where the two ways differ."""
    own = subprocess.run([*cc, "-print-file-name=include"], capture_output=True, text=True, check=True).stdout.strip()
    plain, messages = libclang_declarations(header, includes, ["-nostdinc", "-DCLKV_PLAIN"])
    # OpenCL's headers include those of vector types, of which a compiler takes its own only.
    full, more = libclang_declarations(header, includes, ["-isystem", own, "-U__MMX__", "-U__SSE__", "-U__SSE2__"])
    if messages or more:
        raise ValueError((messages + more)[0])
    if plain != full:
        raise ValueError("; ".join("%s: %s with CLKV_PLAIN, %s without" % (name, plain.get(name), full.get(name))
                                   for name in sorted(plain.keys() | full.keys()) if plain.get(name) != full.get(name)))
    return {name.split()[1] for name in plain if name.startswith("function ")}


def main():
    end = sys.argv.index("--")
    reader, includes, headers, cc = sys.argv[1], sys.argv[2].split(","), sys.argv[3:end], sys.argv[end + 1:]
    headers = [pathlib.Path(header) for header in headers]
    try:
        __import__({"pycparser": "pycparser", "libclang": "clang.cindex"}[reader])
    except ImportError as reason:
        print("skipped: %s" % reason)
        return 77
    functions = {"pycparser": pycparser_functions, "libclang": libclang_functions}[reader]
    failed = False
    everything = marked(headers)
    for header in headers:
        try:
            found = functions(header, includes, cc)
        except Exception as reason:  # pycparser has an exception of its own, in a place that depends on its version
            print("%s: %s" % (header.name, reason))
            failed = True
            continue
        wanted = everything if header.name == "clkv.h" else marked([header])
        if not wanted <= found <= everything:
            print("%s: missed %s, invented %s" % (header.name, sorted(wanted - found), sorted(found - everything)))
            failed = True
    print("%d headers, %d functions" % (len(headers), len(everything)))
    return 1 if failed or not everything else 0


if __name__ == "__main__":
    sys.exit(main())
