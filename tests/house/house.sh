#!/usr/bin/env bash
# house.sh ROOT RULE: one rule of the house, held against the source tree. Prints every breach as file:line
# and exits 1 when there is one. SPDX-License-Identifier: Apache-2.0
set -u
cd "$1" || exit 2

# The files of ours that end in one of the given ways, built ones and other projects left out.
ours() {
    local args=() end
    for end in "$@"; do args+=(-o -name "*$end"); done
    find . \( -path './build*' -o -path ./subprojects -o -path ./.git -o -name __pycache__ \) -prune -o \
        -type f \( "${args[@]:1}" \) -print | sed 's|^\./||' | sort
}

# Files that may be longer than 600 lines: each must say in its first comment why it is one noun.
long_allowed=' '

case $2 in
marks) # nothing is left to be done later
    breaches=$(ours .c .h .cl .py .sh meson.build | grep -v '^tests/house/' |
        xargs grep -nE '\b(TODO|FIXME|XXX|HACK)\b')
    ;;
length) # one noun, one file
    breaches=$(ours .c .h .cl .py .sh meson.build | while read -r file; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 600 ] || case $long_allowed in *" $file "*) ;; *) echo "$file: $lines lines" ;; esac
    done)
    ;;
rooms) # arrows point down the table of rooms only (docs/architecture.md)
    breaches=$(ours .c .h | grep -E '^(src|include|tools)/' | while read -r file; do
        case $file in
        src/core/*) up='device|ops|ref|store' system='CL/|clkv/(append|attention|cache|copy|device|gather|clkv)\.h' ;;
        src/ref/*) up='device|ops|store' system='CL/|clkv/(append|attention|cache|copy|device|gather|clkv)\.h' ;;
        src/device/*) up='cache|ops|program|ref|store' system='clkv/(append|attention|copy|gather|clkv)\.h' ;;
        src/program/*) up='cache|ops|ref|store' system='-' ;;
        src/ops/*) up='ref|store' system='-' ;;
        src/store/*) up='ops|ref' system='-' ;;
        src/*) up='-' system='-' ;;
        *) up='core|device|ops|ref|store' system='-' ;;
        esac
        grep -nE "#[[:space:]]*include[[:space:]]+(\"(\.\./)*(src/)?($up)/|<($system))" "$file" /dev/null
    done)
    ;;
calls) # OpenCL is called by src/device and src/program only; src/ops sets its kernels' arguments
    breaches=$(ours .c .h | grep -E '^src/' | grep -vE '^src/(device|program)/' |
        xargs grep -nE '\bcl[A-Z][A-Za-z]+[[:space:]]*\(' |
        grep -vE '^src/ops/[^:]*:[0-9]+:.*\bcl(SetKernelArg|ReleaseKernel)[[:space:]]*\(' |
        grep -vE ':[0-9]+:[[:space:]]*(\*|/\*|//)')
    ;;
environment) # a variable that the code reads is documented
    breaches=$(ours .c .h .py | xargs grep -ohE '"(CLKV|XDG|POCL|OCL)_[A-Z0-9_]+"|getenv\("[A-Z0-9_]+"' |
        grep -oE '[A-Z0-9]+_[A-Z0-9_]+' | sort -u |
        while read -r name; do
            grep -rqwF "$name" docs README.md include || echo "$name is read, but not in docs/, README.md or a public header"
        done)
    ;;
licence) # every source names its licence
    breaches=$(ours .c .h .cl .sh | xargs grep -L 'SPDX-License-Identifier: Apache-2.0')
    ;;
scripts) # those of the shell parse, and all can be run as the documents have it
    breaches=$( (ours .sh; echo .ci/run) | while read -r file; do bash -n "$file" 2>&1; done
        (ours .sh .py; echo .ci/run) | while read -r file; do
            [ -x "$file" ] || ! head -n 1 "$file" | grep -q '^#!' || echo "$file: not executable"
        done)
    ;;
links) # a file that a document points at is there
    breaches=$(ours .md | while read -r file; do
        grep -oE '\]\([^)#: ]+' "$file" | cut -c 3- | while read -r link; do
            [ -e "$(dirname "$file")/$link" ] || echo "$file: $link is not there"
        done
    done)
    ;;
*)
    echo "unknown rule: $2" >&2
    exit 2
    ;;
esac
[ -z "$breaches" ] && exit 0
printf '%s\n' "$breaches"
exit 1
