#!/usr/bin/env python3
"""test_completions.py TOOL…: the scripts that the programs print for shells. bash runs each of them; zsh and fish do where
they are installed. Needs no device."""
# SPDX-License-Identifier: Apache-2.0
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from programs import command, commands, is_posix, name, options

TOOLS = sys.argv[1:]
WORK = tempfile.TemporaryDirectory()
LONGEST = 120  # seconds that a shell may take; a quick one is not made to wait
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def script(tool, shell):
    """The path of a file with the script, of the name under which the shell looks for it."""
    done = subprocess.run([*command(tool), "--completions", shell], capture_output=True, timeout=60)
    check(done.returncode == 0 and done.stdout and not done.stderr, f"{tool} {shell}: {done}")
    folder = os.path.join(WORK.name, shell)
    os.makedirs(folder, exist_ok=True)
    called = name(tool)
    path = os.path.join(folder, {"bash": called, "zsh": "_" + called, "fish": called + ".fish"}[shell])
    with open(path, "wb") as f:
        f.write(done.stdout)
    return path


def bash(path, words):
    """What bash offers in place of the last word. It has called the function that the script registered."""
    code = ('source "$1" && shift && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && way=$(complete -p "$1") && '
            'way=${way#*-F } && "${way%% *}" && printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "--norc", "--noprofile", "-c", code, "bash", path, *words], capture_output=True,
                          timeout=LONGEST, cwd=WORK.name)
    check(done.returncode == 0 and not done.stderr, f"bash {words}: {done}")
    return done.stdout.decode().split("\n")[:-1] if done.stdout != b"\n" else []


def fish(path, words):
    line = " ".join(words)
    done = subprocess.run(["fish", "--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"', path, line],
                          capture_output=True, timeout=LONGEST, cwd=WORK.name, env={**os.environ, "HOME": WORK.name})
    check(done.returncode == 0 and not done.stderr, f"fish {words}: {done}")
    return [row.split("\t")[0] for row in done.stdout.decode().splitlines()]


def offers(shell, ask, path, tool):
    """Every option is offered, and every value of those that have a fixed set."""
    called = name(tool)
    for words in commands(tool):
        known = options(tool, words)
        found = ask(path, [called, *words, "--"])
        check(set(found) == set(known) and len(found) == len(known), f"{shell}: {called} {words} --: {found}")
        for option, value in known.items():
            check(option in ask(path, [called, *words, option[:4]]), f"{shell}: {called} {words} {option[:4]}")
            fixed = ["cpu", "portable"] if option == "--variant" else value.split("|") if "|" in value else None
            found = ask(path, [called, *words, option, ""]) if fixed or value else None
            if fixed:
                check(sorted(found) == sorted(fixed), f"{shell}: {called} {words} {option}: {found}, not {fixed}")
            elif value == "FILE":
                check("a file" in found and "x*" in found, f"{shell}: {called} {words} {option} FILE: {found}")
            elif value:
                check(not found, f"{shell}: {called} {words} {option} {value}: {found}")


def only_bash(path, tool):
    called = name(tool)
    if called == "clkv-bench":
        found = bash(path, [called, ""])
        check({"attention", "pool", "step", "start", "--help"} <= set(found), f"bash: commands: {found}")
        check(bash(path, [called, "sta"]) == ["start"], "bash: sta")
        # options are found at any position, also beyond the ninth
        many = [called, "step"] + ["--json"] * 9
        check(bash(path, [*many, "--dev"]) == ["--device"], "bash: the twelfth word")
        return
    if "--device" in options(tool, []):
        check(bash(path, [called, "--de"]) == ["--device"], f"bash: {called} --de")
    check(bash(path, [called, "--completions", "=", "f"]) == ["fish"], f"bash: {called} --completions=f")
    check(bash(path, [called, "--completions", "="]) == ["bash", "zsh", "fish"], f"bash: {called} --completions=")
    operands = bash(path, [called, ""])
    check("a file" in operands if called != "clkv-info" else "--json" in operands, f"bash: operands of {called}: {operands}")


def zsh(tools):
    """An interactive zsh on a terminal: what it types itself after Tab."""
    import pty  # Windows has no such module
    with open(os.path.join(WORK.name, ".zshrc"), "w", encoding="utf-8") as f:
        f.write(f"fpath=({WORK.name}/zsh $fpath)\nautoload -U compinit\ncompinit -u -D\nPS1='READY> '\nunsetopt beep\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(WORK.name)
        os.execvpe("zsh", ["zsh", "-d", "-i"], {"PATH": os.environ["PATH"], "ZDOTDIR": WORK.name, "HOME": WORK.name,
                                          "TERM": "dumb", "COLUMNS": "200"})
    seen = b""

    def wait_for(text):
        nonlocal seen
        end = time.monotonic() + LONGEST
        while text not in seen and select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            try:
                seen += os.read(terminal, 4096)
            except OSError:  # the shell has ended
                break
        good = text in seen
        check(good, f"zsh: {text!r} is not in {seen[-400:]!r}")
        seen = seen.split(text, 1)[1] if good else b""

    def complete(typed, added):
        """The shell adds to what was typed, and is rid of the line by Ctrl-U."""
        wait_for(b"READY> ")
        os.write(terminal, typed.encode() + b"\t")
        wait_for((typed + added).encode())
        os.write(terminal, b"\x15\n")

    names = {name(tool) for tool in tools}
    for called in sorted(names):
        if called == "clkv-bench":
            complete("clkv-bench po", "ol")
            complete("clkv-bench attention --dev", "ice=")
            complete("clkv-bench start --variant p", "ortable")
        else:
            complete(called + " --dev", "ice=")
            complete(called + " --completions=f", "ish")
            complete(called + " --variant=p", "ortable")
    if "clkv-generate" in names:
        complete("clkv-generate --model x", "\\*")
    wait_for(b"READY> ")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)


def main():
    if not shutil.which("bash") or not all(map(is_posix, TOOLS)):
        print("skipped: there is no bash, or no program for it")
        sys.exit(77)
    for file in ("a file", "x*"):
        with open(os.path.join(WORK.name, file), "w", encoding="utf-8"):
            pass
    for tool in TOOLS:
        path = script(tool, "bash")
        offers("bash", bash, path, tool)
        only_bash(path, tool)
        path = script(tool, "fish")
        if shutil.which("fish"):
            offers("fish", fish, path, tool)
        path = script(tool, "zsh")
        with open(path, "rb") as f:
            check(f.readline() == b"#compdef " + name(tool).encode() + b"\n", f"first line of {path}")
        done = subprocess.run([*command(tool), "--completions", "tcsh"], capture_output=True, timeout=60)
        check(done.returncode == 2 and not done.stdout and b"'tcsh' is not one of bash, zsh, fish" in done.stderr,
              f"another shell: {done}")
    if shutil.which("zsh"):
        zsh(TOOLS)
    for shell in ("fish", "zsh"):
        if not shutil.which(shell):
            print(f"there is no {shell}: its scripts were printed and not run")
    print(f"{len(failures)} failures")
    sys.exit(1 if failures or not TOOLS else 0)


main()
