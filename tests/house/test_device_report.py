#!/usr/bin/env python3
"""tests/device.py itself: what is missing, what a report says, and what it does not say.
SPDX-License-Identifier: Apache-2.0
"""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

TESTS = pathlib.Path(__file__).resolve().parent.parent


def load():
    spec = importlib.util.spec_from_file_location("clkv_device", TESTS / "device.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DEVICE = load()
NAMES = [("/home/anna/src/clkv", "SOURCE"), ("/home/anna", "HOME"), ("anna", "USER"), ("tower.example.org", "HOST"),
         ("tower", "HOST"), ("root", "USER"), ("", "HOST"), ("debian", "HOST")]
WINDOWS = [("C:\\Users\\Anna B", "HOME"), ("Anna B", "USER"), ("DESKTOP-1X", "HOST")]


def record(name, result, stdout="", **more):
    return dict({"name": name, "result": result, "stdout": stdout}, **more)


def report(records=(), built=True, log="", info=(0, "clkv 1\n"), benches=()):
    return DEVICE.make_report([("system", "A|B")], built, log, info, list(benches), list(records))


class Redaction(unittest.TestCase):
    def test_names(self):
        for text, expected in [
                ("/home/anna/src/clkv/src/a.c:3", "SOURCE/src/a.c:3"), ("/home/anna/.cache/clkv", "HOME/.cache/clkv"),
                ("-I/home/anna/x", "-IHOME/x"), ("anna@tower: by Anna", "USER@HOST: by USER"),
                ("at tower.example.org", "at HOST"), ("TOWER.local", "HOST.local"), ("anna_build", "USER_build"),
                ("annabel, johanna, towers", "annabel, johanna, towers"), ("root owns /root", "root owns /root"),
                ("Debian clang", "Debian clang"), ("/home/annabel", "/home/annabel")]:
            with self.subTest(text=text):
                self.assertEqual(DEVICE.redact(text, NAMES), expected)

    def test_windows(self):
        for text, expected in [("c:\\users\\anna b\\x.c", "HOME\\x.c"), ("C:/Users/Anna B/x.c", "HOME/x.c"),
                               ("\"C:\\\\Users\\\\Anna B\\\\x\"", "\"HOME\\\\x\""), ("desktop-1x", "HOST")]:
            with self.subTest(text=text):
                self.assertEqual(DEVICE.redact(text, WINDOWS), expected)

    def test_this_machine(self):
        with mock.patch.dict(os.environ, {"USER": "zzanna", "COMPUTERNAME": "zztower", "HOME": "/home/zzanna",
                                          "USERPROFILE": "C:\\Users\\zzanna"}), \
                mock.patch("socket.gethostname", return_value="zzlaptop.lan"):
            names = DEVICE.private_names()
        text = DEVICE.redact("%s/a /home/zzanna/b zztower zzlaptop %s/c" % (TESTS.parent, tempfile.gettempdir()), names)
        self.assertEqual(text, "SOURCE/a HOME/b HOST HOST TMP/c")


class Report(unittest.TestCase):
    def test_counts(self):
        records = [record("a", "OK"), record("b", "EXPECTEDFAIL"), record("c", "SKIP", "first\nno device\n"),
                   record("d", "FAIL", "why"), record("e", "TIMEOUT"), record("f", "NOT BUILT")]
        text = report(records)
        self.assertIn("\n2 passed, 3 failed, 1 skipped\n", text)
        self.assertIn("- c: no device\n", text)
        self.assertRegex(text, r"\nd: FAIL\n\n+```\nwhy\n```")
        self.assertIn("\ne: TIMEOUT\n", text)
        self.assertIn("\nf: NOT BUILT\n", text)
        self.assertIn("| system | A\\|B |", text)
        self.assertNotIn("\na: ", text)

    def test_last_lines_only(self):
        lines = ["line %d" % i for i in range(100)]
        text = report([record("d", "FAIL", "\n".join(lines), stderr="at the end", env={"SECRET": "hidden"})])
        self.assertNotIn("line 75\n", text)
        self.assertIn("line 99\nat the end\n", text)
        self.assertNotIn("hidden", text)

    def test_build_failed(self):
        text = report(built=False, log="\n".join("step %d" % i for i in range(90)), info=(None, ""))
        self.assertIn("## The build failed", text)
        self.assertIn("step 89", text)
        self.assertNotIn("step 49\n", text)
        self.assertNotIn("clkv-info", text)

    def test_no_device(self):
        text = report(info=(3, "no OpenCL device"))
        self.assertIn("no OpenCL device", text)
        self.assertIn("clkv-info ended with 3: no usable device.", text)

    def test_benches_and_fences(self):
        text = report(benches=[("clkv-bench attention", "a ```` b")])
        self.assertIn("## clkv-bench attention", text)
        self.assertIn("\n`````\na ```` b\n`````\n", text)


class Needs(unittest.TestCase):
    def test_versions(self):
        self.assertTrue(DEVICE.new_enough("1.0.0") and DEVICE.new_enough("1.10.1") and DEVICE.new_enough("2.0"))
        self.assertFalse(DEVICE.new_enough("0.63.3") or DEVICE.new_enough(None))

    def test_command_of_each_system(self):
        with mock.patch.dict(os.environ, {"MINGW_PACKAGE_PREFIX": "mingw-w64-clang-aarch64"}):
            self.assertTrue(DEVICE.install_command("msys2").startswith("pacman -S mingw-w64-clang-aarch64-{gcc,"))
        for platform, msystem, kind in [("darwin", "", "macos"), ("win32", "UCRT64", "msys2"), ("win32", "", "windows")]:
            with self.subTest(kind=kind), mock.patch.object(sys, "platform", platform), \
                    mock.patch.dict(os.environ, {"MSYSTEM": msystem}):
                self.assertEqual(DEVICE.system_kind(), kind)

    def test_programs_of_a_test(self):
        with tempfile.TemporaryDirectory() as folder:
            machine = DEVICE.Machine(["meson"], pathlib.Path(folder), 0)
            (machine.folder / "tools").mkdir(parents=True)
            (machine.folder / "tools" / "there").write_text("", encoding="utf-8")
            for word, there in [("tools/there", True), ("tools/gone", False), ("tests/unit/gone", False), ("host", True),
                                (sys.executable, True), (str(machine.folder / "gone"), False), ("100", True)]:
                with self.subTest(word=word):
                    self.assertEqual(machine.is_there(word), there)


class Command(unittest.TestCase):
    def call(self, *arguments, programs=("python3", "bash", "dirname")):
        """tests/run.sh device on a machine that has nothing else: the exit status, and what it prints."""
        with tempfile.TemporaryDirectory() as folder:
            for name in programs:
                pathlib.Path(folder, name).symlink_to(sys.executable if name == "python3" else shutil.which(name))
            done = subprocess.run([shutil.which("bash"), str(TESTS / "run.sh"), "device", *arguments],
                                  env={"PATH": folder, "HOME": folder}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, universal_newlines=True, check=False)
        return done.returncode, done.stdout

    def test_help(self):
        status, text = self.call("--help")
        self.assertEqual(status, 0)
        self.assertIn("--bench", text)

    def test_usage(self):
        self.assertEqual(self.call("--nonsense")[0], 2)
        self.assertEqual(self.call("gcc")[0], 2)
        self.assertEqual(self.call("--help", programs=("bash", "dirname"))[0], 2)

    def test_missing(self):
        status, text = self.call()
        self.assertEqual(status, 2)
        self.assertRegex(text, "Missing: a C compiler,.*ninja, pkg-config")
        self.assertIn(DEVICE.INSTALL["other"][0], text)

    def test_before_newer_bash(self):
        text = (TESTS / "run.sh").read_text(encoding="utf-8")
        before = text[:text.index("exec python3")]
        self.assertIsNone(re.search(r"declare|mapfile|readarray|&>>|\|&|\[@\]|\[\*\]|=\(", before))


class Setup(unittest.TestCase):
    def test_own_drivers(self):
        """The setup that the program names is there, and leaves the choice of the drivers to the machine."""
        text = (TESTS / "meson.build").read_text(encoding="utf-8")
        self.assertIn("\nadd_test_setup('own', env: ['CLKV_TEST_GRID=small'])\n", text)
        self.assertIn(json.dumps("--setup") + ", " + json.dumps("own"), (TESTS / "device.py").read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
