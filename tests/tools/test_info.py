#!/usr/bin/env python3
"""test_info.py TOOL PART: clkv-info as a program. PART is one of
   devices    what it says of the devices there are (exit status 77 without one, unless
              CLKV_TEST_NEED_DEVICE is set)
   refused    bad usage, and a machine without devices"""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from command import command  # noqa: E402  (its folder is known only now)

TOOL, PART = command(sys.argv[1]), sys.argv[2]
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def run(*arguments, **env):
    env = {name: value for name, value in {**os.environ, **env}.items() if value is not None}
    done = subprocess.run([*TOOL, *arguments], capture_output=True, timeout=100, env=env)
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
    for arguments in ([], ["--json"], ["--device", "0"]):
        code, out, err = run(*arguments, OCL_ICD_VENDORS="/nonexistent")
        check(code == 3 and out == "" and "no OpenCL device was found" in err and "/nonexistent has no .icd file" in err,
              f"no driver: exit {code}: {out} {err}")


{"devices": devices, "refused": refused}[PART]()
sys.exit(1 if failures else 0)
