#!/usr/bin/env bash
# fresh.sh ROOT WORK PYTHON MODELS: does what README.md and docs/install.md say on a system that has nothing yet.
#
# Makes a root of the release that runs, by debootstrap from the mirror that apt is set up with, in a folder of WORK;
# copies the tree ROOT there, and runs in it by chroot, in this order:
#   - the packages of docs/install.md, and with these alone clkv as a subproject;
#   - every command of README.md but the suite itself, in order; tools/demo.sh with a few requests;
#   - every command of docs/install.md, in order; after the last one nothing may be left of the prefix.
# Commands are the indented lines whose first word is a command; the other lines are what a command prints, and are
# compared where the real model is there (MODELS/stories260K.bin, and the package gguf for PYTHON to convert it).
#
# Exit status: 77 where that cannot be tried (no root, no debootstrap, no mirror), 1 where a command fails.
# SPDX-License-Identifier: Apache-2.0
set -eu

# shellcheck source=tests/root.sh
. "$(dirname "$0")/../root.sh"
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# The indented lines of a document that are in no fenced block.
indented() { awk '/^```/ { fenced = !fenced } !fenced && /^    / { print substr($0, 5) }' "$1"; }

# run_document FILE: its commands, in order and in one shell.
run_document() {
    local line word printed=/tmp/printed
    while IFS= read -r line <&3; do
        read -r word _ <<<"$line"
        case $word in
        ./tests/run.sh) continue ;; # runs this
        ./tools/demo.sh) line="$word -- --limit 200" ;;
        build/tools/clkv-generate) [ -e model.gguf ] || $word --make-random 1M model.gguf ;;
        esac
        if command -v "$word" >/dev/null; then
            say "$line"
            eval "$line" </dev/null >$printed || { cat $printed; fail "$1: $line"; }
            tail -n 3 $printed
        elif [ "$word" != "${word#*/}" ]; then
            fail "$1: there is no $word"
        elif [ -e real-model ]; then
            grep -qF "${line% …}" <(tr -s ' \n' ' ' <$printed) || fail "$1: it does not print: $line"
        fi
    done 3< <(indented "$1")
}

# In the new root, the tree in /clkv.
if [ "$1" = --inside ]; then
    cd /clkv
    indented docs/install.md | grep '^apt-get ' >/tmp/packages
    bash -e /tmp/packages >/tmp/printed 2>&1 || { cat /tmp/printed; fail 'apt-get'; }
    say 'as a subproject'
    tests/install/install.sh subproject "$PWD" - enabled cc
    run_document README.md
    cp tests/install/consumer.c program.c
    run_document docs/install.md
    [ ! -e "$HOME/clkv" ] || fail "uninstalling left $(find "$HOME/clkv")"
    exit
fi

tree=$1 work=$2 python=$3 models=$4
root_enter "$work" "$0" "$@"
root_make "$(root_running)" "$work/debootstrap.log"
root_copy "$tree"
if [ -r "$models/stories260K.bin" ] && "$python" "$tree/tests/llm/make_gguf.py" "$models/stories260K.bin" \
    "$models/tok512.bin" "$root/clkv/model.gguf" F32; then
    touch "$root/clkv/real-model"
fi
root_run /clkv/tests/install/fresh.sh --inside
