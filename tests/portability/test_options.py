#!/usr/bin/env python3
"""test_options.py BUILDS: each kernel is given the build options that it reads, and no other (src/ops/spec.c).

Every kernel that BUILDS (builds.c) prints is compiled to LLVM's language with clang 15, whose output has only what the
kernel uses. It must be the same with all options as with the family's own, whatever values the others have; and another
value of one of its own must change it for at least one of the shapes.

Exit status: 0 so it is, 1 not, 77 there is no clang 15.
SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

CL = pathlib.Path(__file__).resolve().parent.parent.parent / "cl"
sys.path.insert(0, str(CL))
import embed  # noqa: E402  (its folder is known only now)

# The files that are compiled before each kernel, in their order.
SHARED = re.findall(r"'(\w+\.cl)'", re.search(r"cl_shared = files\(([^)]*)\)", (CL / "meson.build").read_text(
    encoding="utf-8")).group(1))
CLANG = "clang-15"
# Another legal value of each option, named without CLKV_.
OTHERS = {
    "HEAD_DIM": "40", "HEAD_DIM_V": "72", "KV_HEADS": "3", "GROUP": "5", "BLOCK_SIZE": "64",
    "SLABS": "8", "TILE_TOKENS": "1", "WORK_GROUP": "32", "SUB_GROUP": "16",
    "ACCUMULATORS": "6", "FETCH_LEVEL": "2", "WIDE_TOKENS": "32", "K_FORMAT": "f32", "V_FORMAT": "f32",
}
SHAPES = ("d128 g4", "d80 g7 b8")


def builds(exe):
    for kind in (["cpu"], ["discrete"], ["integrated", "8"]):
        for line in subprocess.run([exe, *kind], check=True, capture_output=True, text=True).stdout.splitlines():
            shape, file, _, options = line.split("\t")
            if shape in SHAPES:
                yield file, kind[0], shape, dict(re.findall(r"-DCLKV_(\w+)=(\w+)", options))


def compiled(job):
    file, options = job
    text = "\n".join(embed.text_of(str(CL / name)) for name in SHARED + [file + ".cl"])
    command = [CLANG, "-x", "cl", "-cl-std=CL1.2", "-Xclang", "-cl-ext=+cl_intel_required_subgroup_size", "-target",
               "spir64", "-O0", "-Xclang", "-disable-O0-optnone", "-w", "-S", "-emit-llvm", "-o", "-", "-"]
    command += ["-DCLKV_%s=%s" % pair for pair in options.items()]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        return "does not compile: " + done.stderr[:400]
    return done.stdout


def other(name, value):
    return OTHERS[name] if name in OTHERS else str(1 - int(value))


def main():
    if not shutil.which(CLANG):
        print("no %s: skipped" % CLANG)
        return 77
    kernels = list(builds(sys.argv[1]))
    known = set(OTHERS) | {name for _, _, _, options in kernels for name in options}
    jobs, meanings = [], []
    for file, kind, shape, own in kernels:
        foreign = {name: other(name, "0") for name in known if name not in own}
        jobs.append((file, own))
        jobs.append((file, {**own, **foreign}))
        meanings.append((file, kind, shape, None))
        for name, value in own.items():
            jobs.append((file, own))
            jobs.append((file, {**own, name: other(name, value)}))
            meanings.append((file, kind, shape, name))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        unique = list({(f, tuple(sorted(o.items()))) for f, o in jobs})
        results = dict(zip(unique, pool.map(lambda job: compiled((job[0], dict(job[1]))), unique)))
    texts = [results[(f, tuple(sorted(o.items())))] for f, o in jobs]
    wrong, read, given = [], set(), set()
    for i, (file, kind, shape, name) in enumerate(meanings):
        plain, changed = texts[2 * i], texts[2 * i + 1]
        if plain.startswith("does not compile"):
            wrong.append("%s, %s, %s: %s" % (file, kind, shape, plain))
        elif name is None:
            if plain != changed:
                wrong.append("%s, %s, %s: reads an option that it is not given" % (file, kind, shape))
        else:
            given.add((file, name))
            if plain != changed:
                read.add((file, name))
    wrong += ["%s is given CLKV_%s and does not read it" % pair for pair in sorted(given - read)]
    print("\n".join(wrong) or "%d kernels: good" % len(kernels))
    return 1 if wrong else 0


sys.exit(main())
