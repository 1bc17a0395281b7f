"""runs.py: runs the tests that build.py made for a target, on this machine.

Programs run under the exe_wrapper of the target's cross file (wine, qemu), or by themselves where this machine takes
them. The stand-in for OpenCL finds no platform, so tests of devices are skipped. SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import ctypes
import dataclasses
import pathlib
import re
import shutil
import subprocess

# Check starts a process for each test: under an emulator that is slow, and Windows has no fork.
ONE_PROCESS = {"CK_FORK": "no"}
# Whatever drivers and layers this machine has, the tests see the stand-in.
NOT_OURS = ("OCL_ICD_VENDORS", "OPENCL_LAYERS", "CLKV_TEST_NEED_DEVICE")


@dataclasses.dataclass
class Runs:
    """What of a target runs here: suites, tests of them that are left out, and variables."""
    suites: tuple = ("unit", "tools", "llm", "fuzz")
    without: tuple = ()
    env: dict = dataclasses.field(default_factory=dict)
    optimization: int = 0  # of the compiler; for an emulator more is worth its time
    probe: tuple = ()  # after the words of the wrapper: a command that succeeds where programs of the target run


# The processor is the one of all other jobs: what computes for long, and what only POSIX shells see, says nothing new.
SAME_PROCESSOR = ("completions", "llm forward", "llm serve", "llm split", "locale", "output")
# In these a program starts itself once more, which qemu cannot do; and those that start many programs or compute for long,
# which takes minutes there.
NOT_UNDER_QEMU = ("bench host", "interrupt", "completions", "llm forward", "llm serve", "llm split", "locale", "output",
                  "replay host")
# Those that take longest come first, so that at the end no processor waits.
TARGETS = {
    "windows-x86_64-mingw": Runs(suites=("unit", "tools", "llm"), env=ONE_PROCESS, probe=("cmd", "/c", "exit 0"),
                                 without=("bench host",)),  # wine starts its processes for minutes
    "linux-arm64-musl": Runs(env=ONE_PROCESS, without=NOT_UNDER_QEMU, optimization=1),
    "linux-i386": Runs(without=SAME_PROCESSOR, probe=("/lib/ld-linux.so.2", "--version")),
    # Model files are little-endian, and programs refuse them on a big-endian machine: exchange.py looks at that.
    "linux-s390x": Runs(suites=("unit", "tools", "fuzz"), env=ONE_PROCESS, without=(*NOT_UNDER_QEMU, "ref_real"),
                        optimization=1),
    "linux-x86_64-musl": Runs(without=(*SAME_PROCESSOR, "bench host", "llm gguf")),
}


def fix_addresses():
    """From here on the programs that this process starts get the same addresses each time. wine 8 wants a page at a fixed
    address; where the kernel has put something else there, its program ends with 1: once in a thousand starts."""
    no_random_addresses = 0x0040000  # ADDR_NO_RANDOMIZE of <sys/personality.h>; where it is forbidden, nothing changes
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).personality(ctypes.c_ulong(no_random_addresses))


keepers = []  # processes that hold wine's services


def lacking(target, wrapper):
    """Why the tests of a target do not run here, or None."""
    if target not in TARGETS:
        return "its programs do not run on this machine"
    return None if not wrapper or shutil.which(wrapper[0]) else "there is no " + wrapper[0]


def fails(target, wrapper, env):
    """Why this machine cannot run the programs of a target though the wrapper is there, or None: a kernel may lack what
    wine or 32-bit programs want."""
    probe = TARGETS[target].probe
    if not probe:
        return None
    try:
        done = subprocess.run([*wrapper, *probe], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as failure:
        return "programs do not run: %s" % failure
    return None if done.returncode == 0 else "%s ends with %d here" % (" ".join([*wrapper, *probe]), done.returncode)


def wine(folder, compiler, env):
    """What wine needs: a prefix in the build, quiet, and the folders of the DLLs. wine has an OpenCL.dll of its own, which
    it takes, and which asks the loader of this machine: that loader is given a folder without drivers."""
    threads = subprocess.run([*compiler, "-print-file-name=libwinpthread-1.dll"], env=env, stdout=subprocess.PIPE, text=True,
                             check=True).stdout.strip()
    folders = (folder / "everything" / "src", folder / "prefix" / "bin", pathlib.Path(threads).parent)
    drivers = folder / "drivers"
    drivers.mkdir(exist_ok=True)
    return {**env, "WINEPREFIX": str(folder.parent / "wine"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "WINEPATH": ";".join("Z:" + str(path).replace("/", "\\") for path in folders),
            "OCL_ICD_VENDORS": str(drivers)}


def start_wine(wrapper, env):
    """Makes the prefix, and keeps wine's services running until keepers end: the first program of a session starts them,
    and with them whatever reads its output would wait for their end."""
    with contextlib.suppress(subprocess.TimeoutExpired):  # then fails() says so
        subprocess.run([*wrapper, "wineboot", "-i"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=300, check=False)
    keepers.append(subprocess.Popen([*wrapper, "cmd"], env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL))


def end():
    """Lets go of what environment() keeps running."""
    while keepers:
        keeper = keepers.pop()
        keeper.stdin.close()
        try:
            keeper.wait(timeout=60)
        except subprocess.TimeoutExpired:
            keeper.kill()


def environment(target, folder, wrapper, compiler, env):
    """The variables for the programs of a target."""
    env = {name: value for name, value in env.items() if name not in NOT_OURS}
    env.update(TARGETS[target].env, CLKV_TEST_GRID="small")
    if any("wine" in pathlib.Path(word).name for word in wrapper):
        env = wine(folder, compiler, env)
        start_wine(wrapper, env)
    return env


def run(target, folder, env, jobs):
    """Runs the tests of a target, so many at a time. Returns the path of meson's record of them, which is absent if meson
    failed, and what meson printed."""
    runs = TARGETS[target]
    everything = folder / "everything"
    record = everything / "meson-logs" / "testlog-short.json"
    record.unlink(missing_ok=True)
    words = ["meson", "test", "-C", everything, "--no-rebuild", "--setup", "short"]
    for suite in runs.suites:
        words += ["--suite", suite]
    words += ["--no-suite", "real"]  # whole traces take minutes
    listed = subprocess.run([*words, "--list"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                            check=False).stdout
    # "clkv:SUITE / NAME", or "SUITE - clkv:NAME" where meson is newer.
    names = [re.split(" / |clkv:", line)[-1] for line in listed.splitlines() if "clkv:" in line]
    done = subprocess.run([*words, "--print-errorlogs", "--timeout-multiplier", "4", "--num-processes", str(jobs),
                           *(name for name in names if name not in runs.without)], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return record, done.stdout
