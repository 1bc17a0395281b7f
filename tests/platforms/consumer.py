#!/usr/bin/env python3
"""Builds a program on top of clkv as it is installed for another system: consumer.py CROSS-FILE PREFIX FOLDER [--run].

PREFIX is where clkv and what it needs were installed for the target of the cross file. tests/install/consumer.c is built
in FOLDER in four ways, by pkg-config and by CMake, each with the shared library and with the static one. Each shared
program must load the library by its soname (on macOS by its install name), and no static one. With --run the programs
that can run here are run: on the processor as they are, or with the exe_wrapper of the cross file.

build.py can use build(), which gives each way and what became of it.
Exit status: 0 nothing failed, 1 something did, 2 usage. SPDX-License-Identifier: Apache-2.0
"""
import argparse
import ast
import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCE = ROOT / "tests" / "install" / "consumer.c"
CMAKE_SYSTEMS = {"linux": "Linux", "windows": "Windows", "darwin": "Darwin"}
CMAKE_LISTS = """cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(clkv %s REQUIRED CONFIG)
add_executable(shared "%s")
target_link_libraries(shared clkv::clkv)
add_executable(static "%s")
target_link_libraries(static clkv::clkv_static)
"""
# CMake wants each tool to be one file. On macOS it asks the linker which one it is, and zig's does not know that option.
TOOL = """#!/bin/sh
for word; do
    shift
    [ "$word" = -Wl,-v ] || set -- "$@" "$word"
done
exec %s "$@"
"""


class Failed(Exception):
    """A way to use the library failed; the text says why."""


def command(words, folder, env, text):
    """What a command prints; raises Failed with it when the command fails."""
    done = subprocess.run(list(map(str, words)), cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if done.returncode:
        raise Failed("%s failed with %d:\n%s" % (text, done.returncode, done.stdout[-4000:]))
    return done.stdout


class Target:
    """What a cross file says, and where the target's things are."""

    def __init__(self, cross_file, prefix, folder, env):
        file = configparser.ConfigParser()
        file.read(cross_file)
        self.prefix, self.folder = prefix, folder
        self.system = ast.literal_eval(file["host_machine"]["system"])
        self.cpu = ast.literal_eval(file["host_machine"]["cpu_family"])
        self.tools = {name: self.words(file["binaries"], name) for name in ("c", "ar", "ranlib")}
        self.wrapper = self.words(file["binaries"], "exe_wrapper")
        options = file["built-in options"] if file.has_section("built-in options") else {}
        self.flags = self.words(options, "c_args")
        self.suffix = ".exe" if self.system == "windows" else ""
        self.env = {**env, "PKG_CONFIG_LIBDIR": str(prefix / "lib" / "pkgconfig")}
        text = (ROOT / "include" / "clkv" / "version.h").read_text(encoding="utf-8")
        number = {name: re.search(r"#define CLKV_%s (\d+)" % name, text).group(1)
                  for name in ("VERSION_MAJOR", "VERSION_MINOR", "ABI_VERSION")}
        self.version = "%s.%s" % (number["VERSION_MAJOR"], number["VERSION_MINOR"])
        abi = number["ABI_VERSION"]
        self.loaded = {"linux": ["libclkv.so." + abi, "CLKV_" + abi], "windows": ["libclkv-%s.dll" % abi],
                       "darwin": ["@rpath/libclkv.%s.dylib" % abi]}[self.system]

    @staticmethod
    def words(section, name):
        value = ast.literal_eval(section.get(name, "[]"))
        return value if isinstance(value, list) else [value]

    def check(self, way, program):
        """A shared program names the library's file (and the version of its symbols), a static one does not."""
        content = program.read_bytes()
        for name in self.loaded:
            if (name.encode() + b"\0" in content) != (way == "shared"):
                raise Failed("the %s program %s %s" % (way, "does not name" if way == "shared" else "names", name))

    def run(self, program):
        """Runs a program where that can be done. Returns whether it ran."""
        native = self.system == "linux" and self.cpu in ("x86", "x86_64") and os.uname().machine == "x86_64"
        if not native and not (self.wrapper and shutil.which(self.wrapper[0], path=self.env["PATH"])):
            return False
        loader = re.search(rb"/lib[^\0]*/ld[^\0]*(?=\0)", program.read_bytes())
        root = self.wrapper[self.wrapper.index("-L") + 1] if "-L" in self.wrapper else ""
        if self.system == "linux" and loader and not pathlib.Path(root + loader.group().decode()).exists():
            return False
        env = {"WINEPREFIX": str(self.folder / "wine"), "WINEDEBUG": "-all", **self.env,
               "LD_LIBRARY_PATH": str(self.prefix / "lib"),
               "WINEPATH": "Z:" + str(self.prefix / "bin").replace("/", "\\")}
        command([*([] if native else self.wrapper), program], self.folder, env, program.name)
        return True


def by_pkg_config(target, way):
    """The program by pkg-config's flags, as docs/install.md has them."""
    ask = ["pkg-config", "--cflags", "--libs", *(["--static"] if way == "static" else []), "clkv"]
    flags = command(ask, target.folder, target.env, "pkg-config").split()
    if way == "static":
        flags = [target.prefix / "lib" / "libclkv.a" if flag == "-lclkv" else flag for flag in flags]
    program = target.folder / ("pkg-config-%s%s" % (way, target.suffix))
    command([*target.tools["c"], "-std=c11", "-Wall", "-Wextra", "-Werror", *target.flags, SOURCE, "-o", program, *flags],
            target.folder, target.env, "linking")
    return program


def by_cmake(target, way):
    """The program by find_package(clkv), with a toolchain made from the cross file."""
    source, build = target.folder / "cmake", target.folder / "cmake-build"
    source.mkdir(exist_ok=True)
    (source / "CMakeLists.txt").write_text(CMAKE_LISTS % (target.version, SOURCE, SOURCE), encoding="utf-8")
    for name, words in target.tools.items():
        script = source / name
        script.write_text(TOOL % " ".join(words), encoding="utf-8")
        script.chmod(0o755)
    toolchain = {"SYSTEM_NAME": CMAKE_SYSTEMS[target.system], "SYSTEM_PROCESSOR": target.cpu,
                 "C_COMPILER": source / "c", "AR": source / "ar", "RANLIB": source / "ranlib",
                 "C_FLAGS": " ".join(target.flags), "BUILD_TYPE": "Release", "PREFIX_PATH": target.prefix,
                 "FIND_ROOT_PATH": target.prefix, "FIND_ROOT_PATH_MODE_PROGRAM": "NEVER",
                 **{"FIND_ROOT_PATH_MODE_" + kind: "ONLY" for kind in ("LIBRARY", "INCLUDE", "PACKAGE")}}
    command(["cmake", "-S", source, "-B", build, *["-DCMAKE_%s=%s" % item for item in toolchain.items()]],
            target.folder, target.env, "cmake")
    command(["cmake", "--build", build, "--target", way], target.folder, target.env, "cmake --build")
    return build / (way + target.suffix)


def check_installed(target):
    """What an installed prefix of Windows has besides the library itself."""
    if target.system != "windows":
        return
    if b"export:clkv_" in (target.prefix / "lib" / "libclkv.a").read_bytes():
        raise Failed("programs with the static library would export its functions")
    if "prefix=${pcfiledir}" not in (target.prefix / "lib" / "pkgconfig" / "clkv.pc").read_text(encoding="utf-8"):
        raise Failed("clkv.pc cannot be moved with its prefix")


def build(cross_file, prefix, folder, env, run=False):
    """Yields (way, OK, FAIL or SKIP, a text: why, or what was done). prefix has the installed library; folder is made
    anew; env is the environment in which the target's compiler, and with run its wrapper, is found."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    target = Target(cross_file, prefix, folder, env)
    tools = {"pkg-config": by_pkg_config, "cmake": by_cmake}
    try:
        check_installed(target)
    except Failed as failure:
        yield "consumer, installed files", "FAIL", str(failure)
    for tool, make in tools.items():
        for way in ("shared", "static"):
            name = "consumer, %s, %s" % (tool, way)
            if not shutil.which(tool, path=env["PATH"]):
                yield name, "SKIP", "there is no " + tool
                continue
            if tool == "pkg-config" and target.system == "windows" and "ziglang" in target.tools["c"]:
                yield name, "SKIP", "zig finds no import library for -lclkv"
                continue
            try:
                program = make(target, way)
                target.check(way, program)
                yield name, "OK", "built and run" if run and target.run(program) else "built"
            except Failed as failure:
                yield name, "FAIL", str(failure)


def main():
    parser = argparse.ArgumentParser(description="Builds a program on top of clkv, installed for another system.")
    parser.add_argument("cross_file", type=pathlib.Path)
    parser.add_argument("prefix", type=pathlib.Path, help="where clkv was installed for the target")
    parser.add_argument("folder", type=pathlib.Path, help="where the program is built; made anew")
    parser.add_argument("--run", action="store_true", help="run the programs that can run here")
    arguments = parser.parse_args()
    if not arguments.cross_file.is_file():
        parser.error("there is no cross file %s" % arguments.cross_file)
    failed = False
    for name, outcome, text in build(arguments.cross_file, arguments.prefix.resolve(), arguments.folder.resolve(),
                                     dict(os.environ), arguments.run):
        print("%s: %s: %s" % (name, outcome, text), flush=True)
        failed |= outcome == "FAIL"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
