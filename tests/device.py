#!/usr/bin/env python3
"""device.py: tests clkv on the OpenCL devices of this machine, on Linux, macOS and Windows, and writes a report.

It says what is missing and how this system installs it, builds clkv, and runs the suites unit, tools and device (a small
grid of shapes) on whatever devices the machine's own drivers offer. The report is one Markdown file for an issue: the
system, the compiler, what clkv-info prints, the counts, and the last lines of the tests that failed. The names of the
user and of the machine, and the folders of the user, are replaced in it.

tests/run.sh device calls this program; on Windows tests\\device.cmd does.

Exit status: 0 all tests passed, 1 a test or the build failed, 2 usage, or something is missing: a program, a library, or
an OpenCL device. SPDX-License-Identifier: Apache-2.0
"""
import argparse
import collections
import getpass
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Suites that run together, and how much longer than usual their tests may take. The tests of `device` have an hour, so
# that a kernel that never ends costs 15 minutes.
RUNS = ((("unit", "tools"), 4), (("device",), 0.25))
LIBRARIES = ("libxxhash", "libcjson", "zlib", "check")
LINES_OF_A_TEST = 25
LINES_OF_A_BUILD = 40
# What a bench takes seconds for on a slow device: a few long contexts, and one prompt.
BENCHES = (("attention", "--batch", "4", "--context", "2048", "--repeat", "5"),
           ("attention", "--batch", "1", "--context", "1024", "--queries", "1024", "--repeat", "5"))

# Names that systems give: they tell nothing, and some are words of a report.
EVERYBODYS = {"", "/", "\\", "root", "user", "admin", "home", "localhost", "localdomain", "debian", "ubuntu", "fedora",
              "archlinux", "raspberrypi", "pi", "linux", "mac", "windows", "desktop", "computer", "pc", "runner", "build"}

# The command of each system that installs what is needed, and what to do for a driver.
INSTALL = {
    "apt": ("sudo apt-get install gcc libc6-dev meson ninja-build pkg-config libxxhash-dev libcjson-dev zlib1g-dev check "
            "ocl-icd-opencl-dev opencl-headers",
            "the driver of your GPU, or for the CPU: sudo apt-get install pocl-opencl-icd"),
    "dnf": ("sudo dnf install gcc meson ninja-build pkgconf-pkg-config xxhash-devel cjson-devel zlib-devel check-devel "
            "ocl-icd-devel opencl-headers",
            "the driver of your GPU, or for the CPU: sudo dnf install pocl"),
    "pacman": ("sudo pacman -S gcc meson ninja pkgconf xxhash cjson zlib check ocl-icd opencl-headers",
               "the driver of your GPU, or for the CPU: sudo pacman -S pocl"),
    "macos": ("xcode-select --install; brew install meson ninja pkgconf xxhash cjson check",
              "macOS brings its OpenCL driver"),
    "msys2": ("pacman -S {gcc,meson,ninja,pkgconf,python,xxhash,cjson,zlib,check,opencl-icd,opencl-headers}",
              "the driver of your GPU brings OpenCL"),
    "windows": ("install MSYS2 (https://www.msys2.org), open its UCRT64 shell and run there: pacman -S "
                "mingw-w64-ucrt-x86_64-{gcc,meson,ninja,pkgconf,python,xxhash,cjson,zlib,check,opencl-icd,opencl-headers}; "
                "then run python tests/device.py in that shell", "the driver of your GPU brings OpenCL"),
    "other": ("a C11 compiler, meson 1.0 or newer, ninja, pkg-config, xxHash, cJSON, zlib, Check, OpenCL headers and an "
              "OpenCL loader", "the driver of your GPU, or pocl for the CPU"),
}


def first_line(command):
    """The first line that a command prints, or None when it cannot be run."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True, errors="replace", timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None


# ---- what is needed ----

def system_kind():
    """The key of INSTALL for this system."""
    if sys.platform == "darwin":
        return "macos"
    if os.environ.get("MSYSTEM"):
        return "msys2"
    if sys.platform == "win32":
        return "windows"
    return next((kind for kind, program in (("apt", "apt-get"), ("dnf", "dnf"), ("pacman", "pacman"))
                 if shutil.which(program)), "other")


def install_command(kind):
    command = INSTALL[kind][0]
    if kind == "msys2":
        prefix = os.environ.get("MINGW_PACKAGE_PREFIX", "mingw-w64-ucrt-x86_64")
        command = command.replace("{", prefix + "-{")
    return command


def find_compiler():
    """The command of the C compiler that meson will take, or None."""
    named = os.environ.get("CC", "").split()
    if named:
        return named if shutil.which(named[0]) else None
    return next(([name] for name in ("cc", "gcc", "clang") if shutil.which(name)), None)


def find_meson():
    """The command that starts meson, or None."""
    if shutil.which("meson"):
        return ["meson"]
    module = [sys.executable, "-m", "mesonbuild.mesonmain"]
    return module if first_line(module + ["--version"]) else None


def new_enough(version):
    numbers = [int(word) for word in re.findall(r"\d+", version or "")[:2]]
    return numbers >= [1, 0]


def missing_libraries(pkg_config):
    """The libraries that pkg-config does not find. macOS has OpenCL as a framework, and zlib in its SDK."""
    mac = sys.platform == "darwin"
    wanted = [name for name in LIBRARIES if not (mac and name == "zlib")] + ([] if mac else ["OpenCL"])
    return [name for name in wanted
            if subprocess.run([pkg_config, "--exists", name], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode]


def find_missing(meson):
    """What this machine lacks, each with a word of explanation."""
    lacking = []
    if not find_compiler():
        lacking.append("a C compiler")
    if not meson:
        lacking.append("meson")
    elif not new_enough(first_line(meson + ["--version"])):
        lacking.append("meson 1.0 or newer (there is %s)" % first_line(meson + ["--version"]))
    if not any(shutil.which(name) for name in ("ninja", "ninja-build", "samu")):
        lacking.append("ninja")
    pkg_config = next((name for name in ("pkg-config", "pkgconf") if shutil.which(name)), None)
    if not pkg_config:
        lacking.append("pkg-config")
    else:
        lacking += ["the library %s" % name for name in missing_libraries(pkg_config)]
    return lacking


def say_missing(lacking):
    kind = system_kind()
    print("Missing: %s." % ", ".join(lacking), file=sys.stderr)
    print("To install all that is needed:\n    %s\nAnd an OpenCL driver: %s." % (install_command(kind), INSTALL[kind][1]),
          file=sys.stderr)


# ---- names that are no one's business ----

def private_names():
    """[(text, what stands in its place)]: folders, users and machines that a report must not name."""
    users, hosts = set(), set()
    for read in (getpass.getuser, lambda: os.environ.get("USER"), lambda: os.environ.get("USERNAME"),
                 lambda: os.environ.get("LOGNAME"), lambda: pathlib.Path.home().name):
        try:
            users.add(read() or "")
        except (OSError, KeyError, ImportError, RuntimeError):
            pass  # a user without a name has none to hide
    for name in (socket.gethostname(), platform.node(), os.environ.get("COMPUTERNAME"), os.environ.get("HOSTNAME")):
        hosts |= {name or "", (name or "").split(".")[0]}
    folders = [(str(ROOT), "SOURCE"), (os.path.expanduser("~"), "HOME"), (tempfile.gettempdir(), "TMP")]
    folders += [(os.path.realpath(folder), word) for folder, word in folders]
    return folders + [(name, "USER") for name in users] + [(name, "HOST") for name in hosts]


def redact(text, names):
    """The text without the names: the longest first, whole words only, and paths with slashes of both kinds. Names that
    many have, and of one letter, stay."""
    for name, word in sorted(names, key=lambda pair: -len(pair[0])):
        if name.lower() in EVERYBODYS or len(name) < 2:
            continue
        path = re.escape(name).replace(r"\\", "/").replace("/", r"[/\\]+")
        before = r"(?<![A-Za-z0-9])" if name[0].isalnum() else ""
        text = re.sub(before + path + r"(?![A-Za-z0-9])", word, text, flags=re.IGNORECASE)
    return text


# ---- building and running ----

class Machine:
    """The commands and folders of one run."""

    def __init__(self, meson, build, jobs):
        self.meson, self.folder, self.jobs = meson, build / "device", jobs
        self.log = build / "device.log"
        self.interrupted = False
        self.environment = {name: value for name, value in os.environ.items()
                            if name not in ("CLKV_VARIANT", "CLKV_CACHE_DIR", "CLKV_NO_CACHE", "CLKV_QUIRKS")}
        if sys.platform != "win32":
            self.environment["XDG_CACHE_HOME"] = str(build / "cache")

    def call(self, command, log=False):
        """The exit status of a command, which prints into the log or on the terminal. Ctrl-C ends the command, nothing
        else is begun, and what was done is reported."""
        before = signal.signal(signal.SIGINT, lambda number, frame: setattr(self, "interrupted", True))
        try:
            if not log:
                sys.stdout.flush()
                return subprocess.call(command, cwd=str(ROOT), env=self.environment, stdin=subprocess.DEVNULL)
            with open(self.log, "a", encoding="utf-8") as out:
                return subprocess.call(command, cwd=str(ROOT), env=self.environment, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=subprocess.STDOUT)
        finally:
            signal.signal(signal.SIGINT, before)

    def build(self):
        """Whether everything was built. What can be built is built also where something else cannot."""
        self.log.write_text("", encoding="utf-8")
        print("building in %s; this takes a few minutes" % self.folder, flush=True)
        again = ["--reconfigure"] if (self.folder / "build.ninja").exists() else []
        if self.call(self.meson + ["setup", *again, "--buildtype=release", "-Dtools=enabled", "-Dtests=enabled",
                                   "-Dgenerate=disabled", str(self.folder), str(ROOT)], log=True):
            return False
        jobs = ["-j", str(self.jobs)] if self.jobs else []
        return self.call(self.meson + ["compile", "-C", str(self.folder), *jobs, "--ninja-args=-k,0"], log=True) == 0

    def tests(self, suites):
        """[(name, whether its programs are there)] of the tests of some suites."""
        done = subprocess.run(self.meson + ["introspect", "--tests", str(self.folder)], stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, env=self.environment, check=False)
        wanted = {"clkv:" + suite for suite in suites}
        return [(test["name"], all(self.is_there(word) for word in test["cmd"]))
                for test in json.loads(done.stdout.decode("utf-8") or "[]") if wanted & set(test["suite"])]

    def is_there(self, word):
        """Whether a word of a test's command is no program of the build, or one that was built. A word may be a list of
        paths."""
        parts = re.split("[,%s]" % os.pathsep, word)
        if len(parts) > 1 and all(pathlib.Path(part).is_absolute() for part in parts):
            return all(self.is_there(part) for part in parts)
        path = pathlib.Path(word)
        if path.is_absolute():
            return str(self.folder) not in word or ".." in word or path.exists()
        return not word.startswith(("tests/", "tests\\", "tools/", "tools\\")) or (self.folder / path).exists()

    def run(self, suites, multiplier):
        """The records of the tests, as meson keeps them."""
        tests = self.tests(suites)
        records = [{"name": name, "result": "NOT BUILT", "stdout": ""} for name, there in tests if not there]
        names = [name for name, there in tests if there]
        record = self.folder / "meson-logs" / "testlog-own.json"
        if record.exists():
            record.unlink()
        if names:
            chosen = [word for suite in suites for word in ("--suite", suite)] + (names if len(names) < len(tests) else [])
            self.call(self.meson + ["test", "-C", str(self.folder), "--no-rebuild", "--setup", "own", "-t",
                                    str(multiplier), *chosen])
        if record.exists():
            records += [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
        return records

    def tool(self, name, *arguments):
        """(exit status, all that it prints) of a program of the build; (None, '') when there is none."""
        program = self.folder / "tools" / (name + (".exe" if sys.platform == "win32" else ""))
        if not program.exists():
            return None, ""
        environment = dict(self.environment)
        if sys.platform == "win32":
            environment["PATH"] = str(self.folder / "src") + os.pathsep + environment.get("PATH", "")
        try:
            done = subprocess.run([str(program), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, env=environment, universal_newlines=True, encoding="utf-8",
                                  errors="replace", timeout=900, check=False)
        except subprocess.TimeoutExpired:
            return 124, "%s did not end in 15 minutes" % name
        except KeyboardInterrupt:
            self.interrupted = True
            return 130, "%s was interrupted" % name
        return done.returncode, done.stdout


# ---- the report ----

def outcome(record):
    """passed, failed or skipped, of a record of meson's. What Ctrl-C ended says nothing, as what was skipped."""
    return {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped", "INTERRUPT": "skipped"}.get(record["result"],
                                                                                                     "failed")


def count(records):
    counts = collections.Counter(outcome(record) for record in records)
    return "%d passed, %d failed, %d skipped" % tuple(counts[kind] for kind in ("passed", "failed", "skipped"))


def last_lines(text, most):
    return "\n".join(text.rstrip().splitlines()[-most:])


def fence(text):
    """The text as a block of Markdown, whatever is in it."""
    longest = max([len(run) for run in re.findall("`+", text)] + [2])
    bar = "`" * (longest + 1)
    return "%s\n%s\n%s\n" % (bar, text.rstrip(), bar)


def processor():
    """The name of the processor, as the system has it."""
    if sys.platform == "darwin":
        return first_line(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.processor()
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    found = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    return found.group(1) if found else platform.processor()


def clkv_version():
    text = (ROOT / "include/clkv/version.h").read_text(encoding="utf-8")
    version = ".".join(re.findall(r"^#define CLKV_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", text, re.M))
    commit = first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
    return "%s, commit %s" % (version, commit) if commit else version


def facts(meson):
    """[(what, value)] of the machine and its compilers."""
    compiler = find_compiler()
    pairs = [("clkv", clkv_version()), ("system", platform.platform()), ("processor", processor()),
             ("C compiler", first_line(compiler + ["--version"])), ("meson", first_line(meson + ["--version"])),
             ("Python", platform.python_version())]
    pairs += [(name, os.environ[name]) for name in ("CLKV_DEVICE", "OCL_ICD_VENDORS", "RUSTICL_ENABLE", "POCL_DEVICES")
              if os.environ.get(name)]
    return pairs


def test_lines(records):
    """The parts of the report about the tests that did not pass."""
    skipped = [record for record in records if outcome(record) == "skipped"]
    if skipped:
        yield "\n## Skipped\n"
    for record in skipped:
        why = last_lines(record.get("stdout", ""), 1)
        yield "- %s%s" % (record["name"], ": " + why if why else "")
    failed = [record for record in records if outcome(record) == "failed"]
    if failed:
        yield "\n## Failed\n"
    for record in failed:
        yield "\n%s: %s\n" % (record["name"], record["result"])
        said = "\n".join(record.get(stream) or "" for stream in ("stdout", "stderr")).strip()
        if said:
            yield fence(last_lines(said, LINES_OF_A_TEST))


def make_report(pairs, built, build_log, info, benches, records):
    """The report as Markdown, with all names still in it. info: (exit status, text) of clkv-info; benches: [(command,
    text)]."""
    lines = ["# clkv on a device\n", "| what | value |", "| --- | --- |"]
    lines += ["| %s | %s |" % (what, str(value).replace("|", "\\|")) for what, value in pairs]
    lines.append("\n%s\n" % count(records))
    if not built:
        lines += ["## The build failed\n", fence(last_lines(build_log, LINES_OF_A_BUILD))]
    if info[0] is not None:
        lines += ["## clkv-info\n", fence(info[1] or "It printed nothing.")]
        if info[0]:
            lines.append("clkv-info ended with %d: %s." % (
                info[0], "no usable device" if info[0] == 3 else "a failure"))
    for command, text in benches:
        lines += ["\n## %s\n" % command, fence(text)]
    return "\n".join(lines + list(test_lines(records))) + "\n"


def ask_devices(machine):
    """(exit status, text) of clkv-info, by its report where it has one."""
    status, text = machine.tool("clkv-info", "--help")
    if status is None:
        return None, ""
    return machine.tool("clkv-info", *(["--report"] if "--report" in text else []))


def arguments():
    parser = argparse.ArgumentParser(prog="tests/run.sh device", description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-tests", metavar="DIR",
                        help="where the build and the report go (default: build-tests in the source tree)")
    parser.add_argument("--device", metavar="WHICH", help="this device only: its index, or a part of its name in clkv-info")
    parser.add_argument("--bench", action="store_true", help="also measure attention: seconds to minutes")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="compilers at a time (default: as many as ninja takes)")
    parser.add_argument("--report", type=pathlib.Path, metavar="FILE", help="the report (default: DIR/device-report.md)")
    given = parser.parse_args()
    if given.jobs < 0:
        parser.error("--jobs: %d is no number of compilers" % given.jobs)
    return given


def main():
    given = arguments()
    meson = find_meson()
    lacking = find_missing(meson)
    if lacking:
        say_missing(lacking)
        return 2
    if given.device:
        os.environ["CLKV_DEVICE"] = given.device
    build = given.build.resolve()
    build.mkdir(parents=True, exist_ok=True)
    report = (given.report or build / "device-report.md").resolve()
    machine = Machine(meson, build, given.jobs)
    began = time.time()
    built = machine.build()
    info = ask_devices(machine)
    records, benches = [], []
    # Without a device the device tests say nothing.
    for suites, multiplier in [run for run in RUNS if info[0] != 3 or run[0] != ("device",)] if (machine.folder / "build.ninja").exists() else ():
        records += [] if machine.interrupted else machine.run(suites, multiplier)
    for command in BENCHES if given.bench and info[0] == 0 else ():
        if not machine.interrupted:
            benches.append((" ".join(("clkv-bench",) + command), machine.tool("clkv-bench", *command)[1]))
    pairs = facts(meson) + [("time of the run", "%d s%s" % (time.time() - began,
                                                            ", interrupted" if machine.interrupted else ""))]
    log = machine.log.read_text(encoding="utf-8", errors="replace")
    text = make_report(pairs, built, log, info, benches, records)
    report.write_text(redact(text, private_names()), encoding="utf-8")
    if not built:
        print("the build failed:\n%s" % last_lines(log, LINES_OF_A_BUILD), file=sys.stderr)
    elif info[0] == 3:
        kind = system_kind()
        print("%s\nNo usable OpenCL device. A driver: %s." % (info[1].rstrip(), INSTALL[kind][1]), file=sys.stderr)
    print("report: %s\n%s" % (report, count(records)))
    if not built or machine.interrupted or any(outcome(record) == "failed" for record in records):
        return 1
    return 0 if info[0] == 0 else 2


if __name__ == "__main__":
    sys.exit(main())
