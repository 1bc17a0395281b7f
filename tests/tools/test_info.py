#!/usr/bin/env python3
"""test_info.py TOOL PART: clkv-info as a program. PART is one of
   devices    what it says of the devices there are (exit status 77 without one, unless
              CLKV_TEST_NEED_DEVICE is set)
   report     --report and --compile on the default device (the same)
   refused    bad usage, and a machine without devices"""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from command import command, is_posix  # noqa: E402  (its folder is known only now)

TOOL, PART = command(sys.argv[1]), sys.argv[2]
POSIX = is_posix(sys.argv[1])
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def run(*arguments, **env):
    env = {name: value for name, value in {**os.environ, **env}.items() if value is not None}
    done = subprocess.run([*TOOL, *arguments], capture_output=True, timeout=600, env=env)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def devices():
    code, out, err = run("--json")
    if code == 3 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
        print("skipped:", err)
        sys.exit(77)
    check(code == 0, f"exit {code}: {err}")
    found = json.loads(out)["devices"]
    check([d["index"] for d in found] == list(range(len(found))), "indices count from 0")
    check(sum(d["default"] for d in found) == 1, "one default")
    for d in found:
        check(d["usable"] and d["variant"] in ("cpu", "portable"), f"variant of {d}")
        check(d["opencl_version"] >= 120 and d["global_bytes"] >= d["max_alloc_bytes"] > 0, f"numbers of {d}")
        check(all(q["name"] and q["reason"] and q["link"] for q in d["quirks"]), f"quirks of {d}")

        # one alone, by its index and by a part of its name in another case
        for which in (str(d["index"]), f"{d['platform']} / {d['name']}".upper()):
            code, out, err = run("--json", "--device", which)
            alone = json.loads(out)["devices"] if code == 0 else []
            check(len(alone) == 1 and alone[0]["name"] == d["name"], f"--device {which}: {code} {out} {err}")

    code, out, _ = run()
    check(code == 0 and all(d["name"] in out and d["variant"] in out for d in found), f"as text: {out}")
    code, out, _ = run("--variant", "portable", "--json")
    check(all(d["variant"] == "portable" for d in json.loads(out)["devices"]), f"--variant: {out}")
    code, out, _ = run("--json", CLKV_NO_CACHE="1")
    check(all(d["cache_dir"] == "" for d in json.loads(out)["devices"]), f"CLKV_NO_CACHE: {out}")
    cache_problems()
    last = len(found) - 1
    code, out, _ = run("--json", CLKV_DEVICE=str(last))
    check([d["default"] for d in json.loads(out)["devices"]] == [i == last for i in range(last + 1)],
          f"CLKV_DEVICE: {out}")
    if any(d["platform"] == "Portable Computing Language" for d in found):
        # A home that pocl cannot write to leaves it without devices.
        code, out, err = run(HOME="/proc", XDG_CACHE_HOME=None, POCL_CACHE_DIR=None, RUSTICL_ENABLE=None)
        check(code == 0 or (code == 3 and out == "" and "without devices: " in err and "HOME=/proc" in err),
              f"pocl without a place for its cache: exit {code}: {out} {err}")
    for arguments, expected in ((["--device", "no such device"], 3), (["--device", "4000000000"], 3),
                                (["--variant", "gpu"], 2)):
        code, out, err = run(*arguments)
        check(code == expected and out == "" and arguments[1] in err, f"{arguments}: exit {code}: {out} {err}")


def cache_problems():
    """A cache directory that cannot be used is told, and why; one that can be made is not."""
    with tempfile.TemporaryDirectory() as folder:
        made, file = os.path.join(folder, "made"), os.path.join(folder, "file")
        os.mkdir(made)
        with open(file, "w", encoding="utf-8"):
            pass
        for path, mode, reason in ((made, 0o775, "writable by others"), (made, 0o700, None),
                                   (file, 0o600, "not a directory"), (os.path.join(folder, "not", "yet"), None, None)):
            if mode is not None:
                os.chmod(path, mode)
            code, out, err = run("--json", CLKV_CACHE_DIR=path, CLKV_NO_CACHE="0")
            found = json.loads(out)["devices"]
            check(code == 0 and all(d["cache_problem"] == (reason if d["cache_dir"] else None) for d in found),
                  f"{path}, mode {mode}: {code} {out} {err}")
            code, out, err = run(CLKV_CACHE_DIR=path, CLKV_NO_CACHE="0")
            check(code == 0 and (("not used" in out and reason in out) if reason and found[0]["cache_dir"] else
                                 "not used" not in out), f"{path}, mode {mode}: {code} {out} {err}")
        check(not os.path.exists(os.path.join(folder, "not")), "clkv-info makes the directory")
        code, out, err = run("--json", CLKV_CACHE_DIR=os.path.join(folder, 300 * "x"), CLKV_NO_CACHE="0")
        notes = [line for line in json.loads(out)["notes"] if "no program cache" in line]
        check(code == 0 and (len(notes) == 1 and "bytes" in notes[0] or not any(d["cache_dir"] for d in found)),
              f"a long name: {code} {out} {err}")
        code, out, err = run(CLKV_CACHE_DIR=os.path.join(folder, 300 * "x"), CLKV_NO_CACHE="0")
        check(code == 0 and all(note in out for note in notes), f"a long name, as text: {code} {out} {err}")


def refused():
    for arguments, word in ((["--nonsense"], "--nonsense"), (["stray"], "stray"), (["--device"], "device"),
                            (["--device", ""], "device")):
        code, out, err = run(*arguments)
        check(code == 2 and out == "" and word in err, f"{arguments}: exit {code}: {out} {err}")
    code, out, _ = run("--help")
    check(code == 0 and "--device" in out and "--json" in out, f"--help: exit {code}: {out}")
    for arguments in (["--json", "--report"], ["--report", "--compile"]):
        code, out, err = run(*arguments)
        check(code == 2 and out == "" and "give one of them" in err, f"{arguments}: exit {code}: {out} {err}")
    reason = "/nonexistent has no .icd file" if is_posix(sys.argv[1]) else "no driver is installed"
    for arguments in ([], ["--json"], ["--device", "0"], ["--device", "0", "--json"], ["--report"]):
        code, out, err = run(*arguments, OCL_ICD_VENDORS="/nonexistent")
        check(code == 3 and "no OpenCL device was found" in err and reason in err, f"no driver: exit {code}: {out} {err}")
        if "--json" in arguments:
            told = json.loads(out)
            check(told["devices"] == [] and told["clkv_version"] and any(reason in line for line in told["notes"]) and
                  "no OpenCL device" in told["reason"], f"no driver: {out}")
        elif "--report" in arguments:
            check("**No device.** no OpenCL device" in out and f"- no OpenCL device was found: " in out and reason in out
                  and "| `OCL_ICD_VENDORS` | /nonexistent |" in out, f"no driver: {out}")
        else:
            check(out == "", f"no driver: {out}")
    if POSIX:
        anonymous(3, OCL_ICD_VENDORS="/nonexistent")
    code, out, err = run("--compile", OCL_ICD_VENDORS="/nonexistent")
    check(code == 3 and "no usable device" in out and "no usable device" in err, f"--compile without a device: exit {code}: {out} {err}")


def anonymous(expected, *arguments, **env):
    """A report in which neither the home folder nor the user nor the machine is named. Returns it."""
    with tempfile.TemporaryDirectory() as folder:
        home, real = os.path.join(folder, "homes", "Zaphod.B"), os.path.join(folder, "disk", "beeblebrox")
        os.makedirs(os.path.join(real, "caches"))
        os.mkdir(os.path.dirname(home))
        os.symlink(real, home)
        code, out, err = run(
            "--report", *arguments, HOME=home, USER="zaphod", LOGNAME="zaphod", HOSTNAME="heart-of-gold.example",
            CLKV_CACHE_DIR=home + "/caches/a|b", CLKV_NO_CACHE="0", POCL_MEMORY_LIMIT="99",
            ROCR_VISIBLE_DEVICES=f"/srv/zaphod/layer.so:{home}/layer.so:heart-of-gold:{home}2/x:{os.path.realpath(real)}/z:"
                                 "/srv/zaphod_x\x1b[2J", TMPDIR=folder, **env)
        check(code == expected, f"--report: exit {code}: {out} {err}")
        check("/srv/USER/layer.so:~/layer.so:HOST:" in out and "| `CLKV_CACHE_DIR` | ~/caches/a\\|b |" in out, out)
        check(":~/z:/srv/USER_x?" in out and "\x1b" not in out, f"a home that is a link, a part of a name: {out}")
        check(not [word for word in ("zaphod.b/", "beeblebrox", "zaphod/", "heart", "gold", "homes/zaphod.b ") if word in out.lower()],
              f"names: {out}")
        # The names that the system knows, where they can be told from words of the report.
        for name in (pwd.getpwuid(os.getuid()).pw_dir, socket.gethostname()):
            check(len(name) < 9 or name not in out, f"{name} in {out}")
        check(sorted(os.listdir(folder)) == ["disk", "homes"], f"left behind: {os.listdir(folder)}")
        return out


def report():
    code, out, err = run("--json")
    if code == 3 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
        print("skipped:", err)
        sys.exit(77)
    found = json.loads(out)["devices"]
    default = next(d for d in found if d["default"])
    out = anonymous(0, "--device", str(default["index"]))
    for word in (default["name"], default["driver_version"], default["variant"], "tuning | work_group ", "tile_rows ",
                 *(q["name"] for q in default["quirks"])):
        check(word in out, f"{word!r} is not in {out}")
    if default["cache_dir"]:
        check("| program cache | ~/caches/a\\|b: not made yet |" in out, f"the cache: {out}")
    times = re.search(r"\| usual kernels \| [0-9.]+ s to compile (\d+) programs without any binaries \|\n"
                      r"\| … a second time \| [0-9.]+ s: (\d+) compiled, (\d+) read from clkv's cache \|\n", out)
    check(times and int(times[1]) > 3, f"compile times: {out}")
    if times and default["cache_dir"]:
        check(times[2] == "0" and times[3] == times[1], f"the second time: {times[0]}")
    rows = [line for line in out.splitlines() if line.startswith("|")]
    check(all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in rows), f"a row has two cells: {out}")

    code, out, err = run("--compile", "--device", str(default["index"]))
    check(code == 0 and re.fullmatch(r"[0-9.]+ \d+ \d+\n", out), f"--compile: exit {code}: {out} {err}")
    with tempfile.TemporaryDirectory() as folder:
        run("--compile", "--device", str(default["index"]), CLKV_CACHE_DIR=folder, CLKV_NO_CACHE="0")
        files = os.listdir(folder)
        size = sum(os.path.getsize(os.path.join(folder, f)) for f in files)
        code, out, err = run("--report", "--device", str(default["index"]), CLKV_CACHE_DIR=folder, CLKV_NO_CACHE="0",
                             TMPDIR="/nonexistent")
        check(f": {len(files)} files, {size / 2**20:.1f} MiB |" in out, f"{files}, {size} bytes: {out}")
        check(code == 0 and "not compiled, see below" in out and "cannot make a folder" in out, f"no TMPDIR: {out} {err}")
    if os.path.exists("/proc/self/task"):
        stopped()


def children_of(pid):
    """The ids of the processes that a process has started and that still run; Linux only."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def stopped():
    """A signal that reaches the program alone, as from a supervisor, ends the child that measures for --report, too."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = os.path.join(folder, "scratch")
        os.mkdir(scratch)
        program = subprocess.Popen([*TOOL, "--report"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env={**os.environ, "POCL_CACHE_DIR": folder, "TMPDIR": scratch})
        children = []
        while not children and program.poll() is None:
            children = children_of(program.pid)
            time.sleep(0.001)
        program.send_signal(signal.SIGTERM)
        code = program.wait()
        deadline = time.monotonic() + 60
        while any(os.path.exists(f"/proc/{child}") for child in children) and time.monotonic() < deadline:
            time.sleep(0.01)
        left = [child for child in children if os.path.exists(f"/proc/{child}")]
        check(code == -signal.SIGTERM and children and not left, f"stopped: exit {code}, children {children}, left {left}")
        check(not os.listdir(scratch), f"stopped left {os.listdir(scratch)}")


{"devices": devices, "report": report, "refused": refused}[PART]()
sys.exit(1 if failures else 0)
