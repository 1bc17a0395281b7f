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

# The names by which a link reaches the headings and the anchors of a document, as GitHub makes them.
headings() {
    sed -nE 's/^#+ //p' "$1" | tr '[:upper:]' '[:lower:]' | sed -E 's/[^[:alnum:] _-]//g; s/ /-/g'
    grep -oE '<a id="[^"]+"' "$1" | cut -d '"' -f 2
}

# Files that may be longer than 600 lines: each must say in its first comment why it is one noun.
long_allowed=' '

# The rooms of the library, for the rule `rooms`.
rooms='os|core|plan|kv|ref|device|program|tune|ops|store|cache'

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
rooms) # what each room may include: rooms below it only (docs/architecture.md has the table)
    breaches=$(ours .c .h | grep -E '^(src|include|tools)/' | while read -r file; do
        opencl='CL/|clkv/(append|attention|cache|copy|device|gather|tensor|clkv)\.h'
        case $file in
        src/os/*) may='os' system="$opencl" ;;
        src/core/*) may='os|core' system="$opencl" ;;
        src/plan/*) may='core|plan' system="$opencl" ;;
        src/kv/*) may='core|kv' system="$opencl" ;;
        src/ref/*) may='core|plan|kv|ref' system="$opencl" ;;
        src/store/*) may='os|core|store' system="$opencl" ;;
        src/device/*) may='os|core|device' system='clkv/(append|attention|copy|gather|clkv)\.h' ;;
        src/program/*) may='os|core|device|program' system='clkv/(append|attention|copy|gather|clkv)\.h' ;;
        src/ops/*) may='os|core|plan|kv|device|program|ops' system='-' ;;
        src/cache/*) may='os|core|plan|kv|device|program|ops|cache' system='-' ;;
        src/*) may='-' system='-' ;;
        tools/*) may='os' system='-' ;;
        *) may='' system='-' ;; # the public headers: no room of the library at all
        esac
        grep -nE "#[[:space:]]*include[[:space:]]+(\"(\.\./)*(src/)?($rooms)/|<($system))" "$file" /dev/null |
            grep -vE "include[[:space:]]+\"(${may:--})/"
    done)
    ;;
circles) # no file includes another that includes it, directly or by way of others: x.c and x.h count as one file
    breaches=$(ours .c .h | grep -E '^(src|tools)/' |
        xargs grep -oE '^#[[:space:]]*include[[:space:]]+"[^"]+"' | sed -E 's/:#[[:space:]]*include[[:space:]]+/ /; s/"//g' |
        while read -r file header; do
            for folder in src "$(dirname "$file")" tools; do
                [ -f "$folder/$header" ] || continue
                echo "${file%.[ch]} $folder/${header%.h}"
                break
            done
        done | sort -u | tsort 2>&1 >/dev/null | sed 's/^tsort: //; s/^-: input contains a loop:/a circle of includes:/')
    ;;
systems) # what differs between systems is in src/os: no other file of ours asks for a system or includes its headers
    breaches=$( (ours .c .h | grep -E '^(src|tools)/' | grep -v '^src/os/' |
        xargs grep -nE '\b(_WIN32|_WIN64|__APPLE__|__linux__|__unix__|__CYGWIN__|__FreeBSD__)\b|^#define _[A-Z]+_(C_)?SOURCE\b|#[[:space:]]*include[[:space:]]+<(unistd|fcntl|dirent|ftw|glob|signal|time|pthread|poll|termios|windows|io|direct|sys/[a-z]+|mach/[a-z]+)\.h>'
        ours .c .h | grep -E '^(src|tools)/' | grep -v '^src/os/' | xargs grep -nE '\b(secure_)?getenv\(') |
        grep -vE ':[0-9]+:[[:space:]]*(\*|/\*|//)')
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
where) # the device half's functions that return a status are all in the test of clkv_error.where
    breaches=$(grep -ohE '^CLKV_API clkv_status clkv_[a-z_]+' include/clkv/{append,attention,cache,copy,device,gather}.h |
        sed 's/.* //' | while read -r name; do
            grep -qF "\"$name\"" tests/device/test_where.c || echo "$name is not in tests/device/test_where.c"
        done)
    ;;
output) # the programs print through tools/output.c, which waits for slow readers
    breaches=$(ours .c .h | grep -E '^tools/' |
        xargs grep -nE '\b(v?printf|puts|putchar|perror)\(|\b(v?fprintf|fputs|fputc|putc|fwrite|fflush)\(.*\bstd(out|err)\b')
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
links) # a file and a heading that a document points at are there; README.md names every page of docs/
    breaches=$(ours .md | while read -r file; do
        grep -oE '\]\([^): ]+' "$file" | cut -c 3- | while read -r link; do
            [ "$link" != https ] || continue # another site
            to=${link%%#*}
            to=${to:+$(dirname "$file")/$to}
            [ -e "${to:=$file}" ] || { echo "$file: $link is not there"; continue; }
            case $link in *'#'*) headings "$to" | grep -qxF "${link#*#}" || echo "$file: $link: no such heading" ;; esac
        done
    done
        for page in docs/*.md; do
            grep -qF "| [$page]($page) |" README.md || echo "README.md: its table does not name $page"
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
