#!/usr/bin/env python3
"""Gathers the sources of what clkv needs on another system: needs.py FOLDER makes the meson project needs/ there.

  include/    OpenCL's headers of this machine, once as CL/ and once as Apple names them, OpenCL/
  opencl.c    a stand-in for every OpenCL function that clkv calls, so that a program links and finds no platform
  clblast.c   the same for CLBlast, where this machine has its headers
  xxhash/     xxHash out of its header
  cjson/ zlib/ check/    their sources by apt, from where this machine's packages come; without one the programs or the
              tests cannot be built, and this script says so

The functions are read from the sources. One that OpenCL 1.2 does not have is an error: with a newer one clkv would not
load where the loader is old, as Apple's is.

Exit status: 0 gathered (perhaps without cJSON, zlib or Check), 1 a function is newer than OpenCL 1.2, 2 usage,
77 this machine lacks the headers. SPDX-License-Identifier: Apache-2.0
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEADERS = pathlib.Path("/usr/include")
OPENCL_HEADERS = ("cl.h", "cl_egl.h", "cl_ext.h", "cl_gl.h", "cl_icd.h", "cl_layer.h", "cl_platform.h", "cl_version.h", "opencl.h")
CLBLAST_HEADERS = ("clblast_c.h", "clblast_half.h")
# Functions that a driver or a layer implements: the tests have some, and no loader exports them.
NOT_LINKED = {"clInitLayer", "clGetLayerInfo"}
APT_SOURCES = pathlib.Path("/etc/apt")

STAND_IN = """/* Stands in for %s: every function returns this error. */
#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT
#endif
"""
NO_PLATFORM, UNKNOWN_ERROR = -1001, -2039


def opencl_versions(header):
    """{function: the OpenCL version that it came with}, of the text of cl.h."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    found = re.findall(r"CL_API_CALL\s+(cl[A-Z]\w+)\s*\((?:[^;]*?)\)\s*CL_API_SUFFIX__VERSION_(\d)_(\d)", text)
    return {name: (int(major), int(minor)) for name, major, minor in found}


def calls_in(root, pattern):
    """{function: a file that calls it}, of the library, the programs and the tests."""
    calls = {}
    for folder in ("src", "tools", "tests"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.S)
            for name in re.findall(pattern, text):
                calls.setdefault(name, path.relative_to(root))
    return calls


def opencl_calls(root):
    found = calls_in(root, r"\b(cl[A-Z][A-Za-z]+)\s*\(")
    return {name: path for name, path in found.items() if name not in NOT_LINKED}


def stand_in(library, functions, error):
    """The source of a library of functions that return an error."""
    return STAND_IN % library + "".join("EXPORT int %s(void);\nint %s(void) { return %d; }\n" % (name, name, error)
                                        for name in sorted(functions))


def newer_calls(versions, calls):
    """A line for each function that OpenCL 1.2 does not have, or that is in no version at all."""
    return ["%s: calls %s, which OpenCL 1.2 does not have" % (path, name) for name, path in sorted(calls.items())
            if versions.get(name, (9, 9)) > (1, 2)]


def write_opencl(needs):
    """The headers and the stand-in. Returns what is wrong, a line each."""
    texts = {name: (HEADERS / "CL" / name).read_text(encoding="utf-8") for name in OPENCL_HEADERS}
    for folder in ("CL", "OpenCL"):
        (needs / "include" / folder).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (needs / "include" / folder / name).write_text(text.replace("<CL/", "<%s/" % folder), encoding="utf-8")
    calls = opencl_calls(ROOT)
    (needs / "opencl.c").write_text(stand_in("OpenCL's loader", calls, NO_PLATFORM), encoding="utf-8")
    return newer_calls(opencl_versions(texts["cl.h"]), calls)


def write_clblast(needs):
    """CLBlast's headers and the stand-in. Without the headers clkv-generate is not built."""
    headers = [HEADERS / name for name in CLBLAST_HEADERS]
    if not all(path.exists() for path in headers):
        return
    for path in headers:
        shutil.copy(path, needs / "include")
    calls = calls_in(ROOT, r"\b(CLBlast[SH]\w+)\s*\(")
    (needs / "clblast.c").write_text(stand_in("CLBlast", calls, UNKNOWN_ERROR), encoding="utf-8")


def write_xxhash(needs):
    (needs / "xxhash").mkdir(exist_ok=True)
    shutil.copy(HEADERS / "xxhash.h", needs / "xxhash")
    (needs / "xxhash" / "xxhash.c").write_text(
        '#define XXH_STATIC_LINKING_ONLY\n#define XXH_IMPLEMENTATION\n#include "xxhash.h"\n', encoding="utf-8")


def source_options(work):
    """apt's options that let it find source packages where this machine gets its binary ones."""
    parts = work / "parts"
    for folder in (parts, work / "lists" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    one_line = [APT_SOURCES / "sources.list"] + sorted((APT_SOURCES / "sources.list.d").glob("*.list"))
    for at, path in enumerate(path for path in one_line if path.exists()):
        text = re.sub(r"^deb\s", "deb-src ", path.read_text(encoding="utf-8"), flags=re.M)
        (parts / ("%d.list" % at)).write_text(text, encoding="utf-8")
    for path in sorted((APT_SOURCES / "sources.list.d").glob("*.sources")):
        text = re.sub(r"^Types:.*$", "Types: deb-src", path.read_text(encoding="utf-8"), flags=re.M)
        (parts / path.name).write_text(text, encoding="utf-8")
    return ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", "Dir::Etc::sourceparts=%s" % parts,
            "-o", "Dir::State::lists=%s" % (work / "lists")]


def fetch(package, needs, work, options):
    """The upstream source of a package as the folder needs/package. Returns whether it is there."""
    into = needs / package
    if into.is_dir():
        return True
    subprocess.run(["apt-get", "-q", *options, "--download-only", "source", package], cwd=work, check=False,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    archives = sorted(work.glob(package + "_*.orig.tar.*"))
    if not archives:
        return False
    unpacked = work / (package + ".unpacked")
    shutil.rmtree(unpacked, ignore_errors=True)
    shutil.unpack_archive(archives[-1], unpacked)
    (top,) = unpacked.iterdir()
    top.rename(into)
    return True


def fetch_all(needs, work):
    """cJSON, zlib and Check. Returns those that could not be had."""
    wanted = [package for package in ("cjson", "zlib", "check") if not (needs / package).is_dir()]
    if not wanted:
        return []
    if not shutil.which("apt-get"):
        return wanted
    options = source_options(work)
    subprocess.run(["apt-get", "-q", *options, "update"], check=False, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    return [package for package in wanted if not fetch(package, needs, work, options)]


def main():
    parser = argparse.ArgumentParser(description="Gathers the sources of what clkv needs on another system.")
    parser.add_argument("folder", type=pathlib.Path, help="where needs/ is made")
    folder = parser.parse_args().folder.resolve()
    missing = [str(path) for path in (HEADERS / "CL" / "cl.h", HEADERS / "xxhash.h") if not path.exists()]
    if missing:
        print("There is no %s here." % " and no ".join(missing), file=sys.stderr)
        return 77
    needs = folder / "needs"
    needs.mkdir(parents=True, exist_ok=True)
    wrong = write_opencl(needs)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    write_xxhash(needs)
    write_clblast(needs)
    shutil.copy(HERE / "needs" / "meson.build", needs)
    lacking = fetch_all(needs, folder / "apt")
    if lacking:
        print("apt has no sources of %s: what needs them is not built." % ", ".join(lacking), file=sys.stderr)
    if (needs / "check").is_dir():
        shutil.copy(HERE / "needs" / "check.meson.build", needs / "check" / "meson.build")
    return 0


if __name__ == "__main__":
    sys.exit(main())
