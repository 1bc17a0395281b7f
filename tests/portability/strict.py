"""strict.py: what Apple's OpenCL compiler lacks or does badly, and clang's strict OpenCL C 1.2 lets pass.

With -cl-std=CL1.2 and no extension clang itself refuses fp64, arithmetic on halves, sub-groups, generic pointers,
program-scope variables that are not __constant, __local outside of a kernel, pointers to functions, variable-length
arrays and all that is newer. compile.py gives the rest of the rules here LLVM's text of each program.
SPDX-License-Identifier: Apache-2.0
"""
import re

FLAGS = ("-x", "cl", "-cl-std=CL1.2", "-Xclang", "-cl-ext=-all", "-target", "spir64", "-O1", "-Xclang",
         "-disable-llvm-passes", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wno-unused-parameter", "-Werror")
MOST_BYTES = 16  # of one load or store on a GPU: Apple's halve the bandwidth where float16 is loaded at once
SCALARS = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "half": 2, "float": 4, "double": 8}
# What a kernel may ask of its compiler: which warnings it has; and kernels for CPUs, which processor that is.
ASKED = {"__clang__", "__x86_64__", "__aarch64__"}


def functions(text):
    """{name: (whether it is a kernel, its text)}"""
    found = re.findall(r"^define ([^\n@]*)@([\w.]+)\((.*?)^}", text, re.M | re.S)
    return {name: ("spir_kernel" in head, body) for head, name, body in found}


def recursive(calls):
    """The functions that call themselves, directly or by way of others."""
    for start in sorted(calls):
        seen, ahead = set(), list(calls[start])
        while ahead:
            name = ahead.pop()
            if name == start:
                yield start
                break
            if name not in seen:
                seen.add(name)
                ahead += calls.get(name, ())


def wide_accesses(text):
    """Loads and stores of more than MOST_BYTES at once in global or local memory: vectors by pointer, and calls of
    vload and vstore, whose names end in the type of the pointer with its address space (3: local)."""
    for line in text.splitlines():
        found = re.search(r"\b(?:load|store) (?:volatile )?<(\d+) x (\w+)>(?:,| (?!addrspace|\*)).*addrspace\([13]\)\* [%@]",
                          line)
        if found and int(found.group(1)) * SCALARS.get(found.group(2), 8) > MOST_BYTES:
            yield line.strip()
        found = re.search(r"call .*@_Z\d+v(?:load|store)(?:a?_half)?(8|16)(?:\D\w*)?PU3AS[13]K?(\w+)\(", line)
        if found:
            scalar = {"Dh": 2, "h": 1, "c": 1, "s": 2, "t": 2, "l": 8, "m": 8}.get(found.group(2), 4)
            if int(found.group(1)) * scalar > MOST_BYTES:
                yield line.strip()


def breaches(text, gpu, one_kernel):
    """What a program must not do, a line each. text: LLVM's. gpu: it is for GPUs. one_kernel: it is the library's."""
    bodies = functions(text)
    calls = {name: set(re.findall(r"\bcall [^\n]*?@([\w.]+)\(", body)) for name, (_, body) in bodies.items()}
    if any("printf" in called for called in calls.values()):
        yield "calls printf"
    for name in recursive(calls):
        yield "%s is recursive" % name
    kernels = sorted(name for name, (kernel, _) in bodies.items() if kernel)
    if one_kernel and len(kernels) != 1:
        yield "%d kernels in one program: %s" % (len(kernels), " ".join(kernels))
    if gpu:
        for line in wide_accesses(text):
            yield "more than %d bytes at once: %s" % (MOST_BYTES, line[:160])


def questions(source):
    """The macros of the compiler in the conditions of a kernel's source that it may not ask for."""
    source = re.sub(r"/\*.*?\*/|//[^\n]*", "", source.replace("\\\n", " "), flags=re.S)
    asked = " ".join(re.findall(r"^[ \t]*#[ \t]*(?:if|elif|ifdef|ifndef)\b(.*)$", source, re.M))
    return sorted(set(re.findall(r"\b(?:_|cl_|CL_|FP_)\w+", asked)) - ASKED)
