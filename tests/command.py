"""command.py: how the tests start a program of the build, and what its system has.

Programs of another system run under an emulator. meson has its words from the cross file, such as `qemu-s390x -L FOLDER`
or `wine`, and tells tests by MESON_EXE_WRAPPER. SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import shlex

WRAPPER = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))


def command(program):
    """The words that start the program."""
    return [*WRAPPER, program]


def name(program):
    """The name of the program, which it puts before its messages."""
    return pathlib.Path(program).name.removesuffix(".exe")


def is_posix(program):
    """Whether the program has pseudo-terminals, signals and /dev/full to meet: a Windows program has not, under wine
    either."""
    return os.name == "posix" and not program.endswith(".exe")
