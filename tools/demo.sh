#!/usr/bin/env bash
# demo.sh: an hour of chat traffic through the paged KV cache, on the best OpenCL device found.
# SPDX-License-Identifier: Apache-2.0
set -u
usage() {
    cat <<'TEXT'
usage: tools/demo.sh [--no-install] [--build DIR] [TRACE] [-- OPTION…]

Installs what is missing (Debian, Ubuntu; elsewhere it says what to install), builds clkv, and replays all
requests of a trace with attention on the best OpenCL device, checking sampled rows against the C reference.

TRACE is Mooncake JSON lines or an Azure CSV, plain or gzipped; default: $CLKV_TRACE, else the real trace in
../shared/data beside the source tree, else a synthetic one that is made and kept in the build folder.
What follows -- goes to clkv-replay (see clkv-replay --help) after the demo's own options: on a GPU,
-- --scale 1 --memory 8G is a fairer load than the demo's, which is sized for two CPU cores.

  --no-install   take what is there
  --build DIR    where to build (default build in the source tree)
TEXT
}

src=$(cd "$(dirname "$0")/.." && pwd) || exit 2
# shellcheck source=tools/packages.sh
. "$src/tools/packages.sh"

install=1
build=$src/build
trace=${CLKV_TRACE:-}
while [ $# -gt 0 ]; do
    case $1 in
    --no-install) install=0 ;;
    --build)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        build=$2
        shift
        ;;
    -h | --help) usage; exit 0 ;;
    --)
        shift
        break
        ;;
    -*)
        printf 'demo.sh: unknown option: %s\n' "$1" >&2
        usage >&2
        exit 2
        ;;
    *) trace=$1 ;;
    esac
    shift
done

if [ -n "$trace" ] && [ ! -r "$trace" ]; then
    printf 'demo.sh: cannot read %s\n' "$trace" >&2
    exit 2
fi
if [ $install = 1 ]; then
    packages_install "${packages_build[@]}" || exit 2
fi

mkdir -p "$build" || exit 2
if [ ! -f "$build/build.ninja" ]; then
    meson setup --buildtype=release "$build" "$src" >"$build/demo.log" 2>&1 || {
        tail -n 40 "$build/demo.log" >&2
        printf 'demo.sh: cannot configure the build\n' >&2
        exit 2
    }
fi
# Only what the demo runs: the README's next command builds the rest.
meson compile -C "$build" clkv-replay >"$build/demo.log" 2>&1 || {
    tail -n 40 "$build/demo.log" >&2
    printf 'demo.sh: the build failed\n' >&2
    exit 2
}

if [ -z "$trace" ]; then
    trace=$(cd "$src/.." && pwd)/shared/data/traces/mooncake_conversation.jsonl.gz
    if [ ! -r "$trace" ]; then
        trace=$build/synthetic.jsonl.gz
        printf 'No real trace at hand: making a synthetic one, %s.\n' "$trace"
        printf 'Give the path of a real one, such as FAST25-release/traces/conversation_trace.jsonl of\n'
        printf 'github.com/kvcache-ai/Mooncake, to replay that.\n'
        python3 "$src/tools/make-trace.py" "$trace" || exit 2
    fi
fi

# Lengths divided so that it takes a minute or two on two cores; a pool small enough that blocks are evicted.
load=(--attention on --check --scale 32 --memory 512M)
printf 'Replaying %s\nclkv-replay %s\n\n' "$trace" "${load[*]} $*"
"$build/tools/clkv-replay" "${load[@]}" "$@" "$trace"
