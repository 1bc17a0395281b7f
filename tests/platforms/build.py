#!/usr/bin/env python3
"""Builds clkv for other systems: build.py [TARGET...], a target for each file of tools/cross (default: all of them).

Each target gets what clkv needs (needs.py, needs/meson.build) and then three builds, warnings being errors: `core`, the
library without OpenCL; `library`, with it; `everything`, the programs and the tests too. For every build one line says
that it was built, that it failed (with the errors that the compiler gave), or why it was skipped. Built programs of
the target are in BUILD/TARGET/everything. With --run their tests run (runs.py), where this machine can run them.

Exit status: 0 nothing failed, 1 something did, 2 usage. SPDX-License-Identifier: Apache-2.0
"""
import argparse
import ast
import concurrent.futures
import configparser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

import consumer
import exchange
import runs

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CROSS = ROOT / "tools" / "cross"
# A newer zig takes minutes longer to make the C library of a target; an older meson does not know zig's linker.
PYTHON_PACKAGES = ("ziglang==0.13.0", "meson>=1.5")
BUILDS = {
    "core": ["-Dopencl=disabled", "-Dtools=disabled", "-Dtests=disabled"],
    "library": ["-Dopencl=enabled", "-Dtools=disabled", "-Dtests=disabled"],
    "everything": ["-Dopencl=enabled", "-Dtools=enabled", "-Dlibedit=disabled", "-Dtests=enabled"],
}
# A program of another C library than this machine's runs here only if it brings all of it along.
SHARED, STATIC = ["-Ddefault_library=shared"], ["-Ddefault_library=static", "-Dprefer_static=true"]
# With --lean these get the library only: another target has their system and its compiler.
LIBRARY_ONLY = {"macos-x86_64", "windows-x86_64"}
ERRORS_SHOWN = 30
AT_ONCE = 4  # targets


class Failed(Exception):
    """A command failed; the text holds the errors that it printed."""


def run(command, log, env):
    """Runs a command, appends what it prints to a file, and raises Failed with its errors."""
    with open(log, "a", encoding="utf-8") as out:
        out.write("$ %s\n" % " ".join(map(str, command)))
        out.flush()
        start = out.tell()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env,
                              cwd=log.parent, check=False)
    if done.returncode == 0:
        return
    with open(log, encoding="utf-8", errors="replace") as printed:
        printed.seek(start)
        lines = printed.read().splitlines()
    errors = [line for line in lines if re.search(r"\b(error|ERROR): |undefined (reference|symbol)", line)]
    raise Failed("\n".join((errors or lines)[-ERRORS_SHOWN:]))


def command(target, name):
    """The words of a command in a target's cross file: `c`, the compiler, or `exe_wrapper`, which may be absent."""
    file = configparser.ConfigParser()
    file.read(CROSS / (target + ".ini"))
    words = ast.literal_eval(file["binaries"].get(name, "[]"))
    return words if isinstance(words, list) else [words]


def lacking(target, env):
    """What a target's compiler lacks on this machine, or None."""
    compiler = command(target, "c")
    program = shutil.which(compiler[0], path=env["PATH"])
    if program is None:
        return "there is no " + compiler[0]
    if "ziglang" in compiler and subprocess.run([program, "-m", "ziglang", "version"], capture_output=True, env=env,
                                               check=False).returncode:
        return "there is no ziglang"
    return None


def install_python(build):
    """An environment with zig and a meson that knows zig's linker, made once."""
    home = build / "python"
    log = build / "python.log"
    wanted = home / "installed"
    if wanted.exists() and wanted.read_text(encoding="utf-8").split() == list(PYTHON_PACKAGES):
        return
    with open(log, "w", encoding="utf-8") as out:
        for command in ([sys.executable, "-m", "venv", home],
                        [home / "bin" / "pip", "-q", "install", "--no-cache-dir", *PYTHON_PACKAGES]):
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False).returncode:
                print("%s could not be installed (see %s): what needs them is skipped." %
                      (" and ".join(PYTHON_PACKAGES), log), file=sys.stderr)
                return
    wanted.write_text("\n".join(PYTHON_PACKAGES), encoding="utf-8")


def meson_build(source, folder, options, env, jobs, install=False):
    """Sets up and compiles a meson project for a target; a later call updates what an earlier one made."""
    log = folder.parent / (folder.name + ".log")
    log.unlink(missing_ok=True)
    again = ["--reconfigure"] if (folder / "build.ninja").exists() else []
    run(["meson", "setup", *again, *options, folder, source], log, env)
    # All errors at once, not the first file's.
    run(["ninja", "-k", "0", "-j", str(jobs), "-C", folder, *(["install"] if install else [])], log, env)


def zig_file(folder, target, env):
    """A second cross file that names zig itself: python3 -m ziglang takes as long to start it as zig takes to compile."""
    python = shutil.which("python3", path=env["PATH"])
    where = subprocess.run([python, "-c", "import ziglang; print(ziglang.__file__)"], stdout=subprocess.PIPE, text=True,
                           env=env, check=True).stdout.strip()
    zig = str(pathlib.Path(where).parent / "zig")
    binaries = {name: [zig, *command(target, name)[3:]] for name in ("c", "ar", "ranlib")}
    path = folder / "zig.ini"
    path.write_text("[binaries]\n" + "".join("%s = %r\n" % item for item in binaries.items()), encoding="utf-8")
    return ["--cross-file", path]


class Report:
    """Prints what became of each build, and keeps it in the form in which meson keeps what became of tests. Several
    threads report."""

    def __init__(self, results):
        self.results, self.failed, self.lock = results, False, threading.Lock()
        if results:
            results.mkdir(parents=True, exist_ok=True)

    def say(self, target, name, outcome, text="", seconds=0.0):
        """outcome: OK, FAIL or SKIP; text: the errors, or why it was skipped."""
        words = {"OK": "%s (%.0f s)" % (text or "good", seconds), "FAIL": "failed", "SKIP": "skipped: " + text}[outcome]
        if outcome == "FAIL":
            words += "\n    " + text.replace("\n", "\n    ")
        line = {"name": "%s %s" % (target, name), "result": outcome, "duration": seconds, "stdout": text}
        with self.lock:
            self.failed |= outcome == "FAIL"
            print("%s %s: %s" % (target, name, words), flush=True)
            if self.results:
                with open(self.results / "platforms-builds.json", "a", encoding="utf-8") as out:
                    out.write(json.dumps(line) + "\n")

    def keep(self, target, record, printed):
        """What meson says of the tests of a target."""
        if not record.exists():
            self.say(target, "tests", "FAIL", "meson left no record of them:\n" + printed)
            return
        lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
        with self.lock:
            self.failed |= any(line["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") for line in lines)
            print("%s tests:\n%s" % (target, printed), flush=True)
            if self.results:
                shutil.copy(record, self.results / ("platforms-%s.json" % target))


def build_target(target, build, names, env, jobs, report):
    """Makes the builds of a target. Returns whether its programs and tests are there."""
    reason = lacking(target, env)
    if reason:
        report.say(target, "all", "SKIP", reason)
        return False
    folder, prefix = build / target, build / target / "prefix"
    folder.mkdir(exist_ok=True)
    zig = "ziglang" in command(target, "c")
    cross = ["--cross-file", CROSS / (target + ".ini"), *(zig_file(folder, target, env) if zig else []),
             "--prefix", prefix, "--buildtype=plain",
             "-Doptimization=%d" % runs.TARGETS.get(target, runs.Runs()).optimization,
             *(STATIC if "musl" in target else SHARED)]
    # meson's werror asks the linker too, and zig's knows no such option.
    strict = ["-Dwerror=false", "-Dc_args=-Werror"] if zig else ["-Dwerror=true"]
    env = {**env, "PKG_CONFIG_LIBDIR": str(prefix / "lib" / "pkgconfig")}
    shutil.rmtree(prefix, ignore_errors=True)  # nothing of an earlier build is linked
    try:
        meson_build(build / "needs", folder / "needs", cross, env, jobs, install=True)
    except Failed as failure:
        report.say(target, "needs", "FAIL", str(failure))
        return False
    there = False
    for name in names:
        absent = [pc for pc in ("libcjson", "zlib", "check") if not (prefix / "lib/pkgconfig" / (pc + ".pc")).exists()]
        if name == "everything" and absent:
            report.say(target, name, "SKIP", "there is no source of " + ", ".join(absent))
            continue
        start = time.monotonic()
        try:
            meson_build(ROOT, folder / name, [*cross, *strict, *BUILDS[name]], env, jobs, install=name == "everything")
        except Failed as failure:
            report.say(target, name, "FAIL", str(failure), time.monotonic() - start)
            continue
        report.say(target, name, "OK", "", time.monotonic() - start)
        there |= name == "everything"
    return there


def run_target(target, build, env, jobs, report):
    """Builds programs on top of the installed library, and runs them and the tests of the target. Returns the target as a
    system whose programs run here, or None."""
    wrapper, folder = command(target, "exe_wrapper"), build / target
    reason = runs.lacking(target, wrapper)
    own = env if reason else runs.environment(target, folder, wrapper, command(target, "c"), env)
    reason = reason or runs.fails(target, wrapper, own)
    for way, outcome, text in consumer.build(CROSS / (target + ".ini"), folder / "prefix", folder / "consumer", own,
                                             not reason):
        report.say(target, way, outcome, text)
    if reason:
        report.say(target, "tests", "SKIP", reason)
        return None
    report.keep(target, *runs.run(target, folder, own, jobs))
    return exchange.System(target, folder / "everything", wrapper, own)


def exchange_files(systems, build, report):
    """What the systems write for each other."""
    start = time.monotonic()
    for what, faults in exchange.compare(systems, build / "exchange").items():
        report.say("exchange of", what, "FAIL" if faults else "OK", "\n".join(faults), time.monotonic() - start)


def main():
    targets = sorted(path.stem for path in CROSS.glob("*.ini"))
    parser = argparse.ArgumentParser(description="Builds clkv for other systems.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="one of: " + ", ".join(targets))
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-cross", metavar="DIR",
                        help="where the builds go (default build-cross in the source tree; kept between runs)")
    parser.add_argument("--only", action="append", choices=BUILDS, help="this build (default: all three)")
    parser.add_argument("--lean", action="store_true", help="only the library for %s" % " and ".join(sorted(LIBRARY_ONLY)))
    parser.add_argument("--run", action="store_true", help="run the tests of what was built")
    parser.add_argument("--results", type=pathlib.Path, metavar="DIR", help="where records of builds and tests go")
    parser.add_argument("--no-install", action="store_true", help="install nothing: take what is there")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.targets) - set(targets))
    if unknown:
        parser.error("no such target: " + ", ".join(unknown))
    build = arguments.build.resolve()
    build.mkdir(parents=True, exist_ok=True)
    if not arguments.no_install:
        install_python(build)
    # zig keeps the C libraries that it makes: in the build, not in the user's cache.
    env = {**os.environ, "PATH": "%s:%s" % (build / "python" / "bin", os.environ["PATH"]),
           "ZIG_GLOBAL_CACHE_DIR": str(build / "zig-cache"), "ZIG_LOCAL_CACHE_DIR": str(build / "zig-cache")}
    report = Report(arguments.results)
    gathered = subprocess.run([sys.executable, HERE / "needs.py", build], stderr=subprocess.PIPE, text=True, check=False)
    if gathered.returncode:
        report.say("all", "targets", "SKIP" if gathered.returncode == 77 else "FAIL", gathered.stderr.strip())
        return 1 if report.failed else 0
    print(gathered.stderr, end="", file=sys.stderr)

    if arguments.run:
        runs.fix_addresses()  # before threads begin: each has its own setting
    # meson's questions to a compiler come one after the other, so several targets at a time fill the processors.
    at_once = min(AT_ONCE, os.cpu_count() or 1)
    jobs = max(1, (os.cpu_count() or 1) // at_once)

    def whole_target(target):
        names = ["library"] if arguments.lean and target in LIBRARY_ONLY else arguments.only or list(BUILDS)
        there = build_target(target, build, names, env, jobs, report)
        return run_target(target, build, env, jobs, report) if there and arguments.run else None

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        order = [*runs.TARGETS, *sorted(set(targets) - set(runs.TARGETS))]
        wanted = [target for target in order if target in (arguments.targets or targets)]
        systems = [system for system in pool.map(whole_target, wanted) if system]
    if len(systems) > 1:
        exchange_files(systems, build, report)
    runs.end()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
