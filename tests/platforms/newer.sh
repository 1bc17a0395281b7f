#!/usr/bin/env bash
# newer.sh [--mirror URL] ROOT WORK RESULTS [RELEASE]: what a newer Linux than the one that runs makes of clkv.
#
# Makes a root of RELEASE (default: Debian 13, trixie) by debootstrap in a folder of WORK, from the mirror that apt is set
# up with or from URL; installs the packages of tools/packages.sh and a clang there; copies the tree ROOT there; and runs
# the job newer_inside of tests/run.sh in it. What that job records goes to RESULTS, where tests/count.py counts it.
# WORK/cache keeps compiled kernels for the next run.
#
# What cannot be tried is recorded as skipped, with the reason. Exit status: 0, or 77 where nothing could be tried.
# SPDX-License-Identifier: Apache-2.0
set -eu
# shellcheck source=tests/root.sh
. "$(dirname "$0")/../root.sh"

# In the new root, the tree in /clkv: the packages, and then the job.
if [ "$1" = --inside ]; then
    cd /clkv
    # shellcheck source=tools/packages.sh
    . tools/packages.sh
    packages_install "${packages_build[@]}" check mesa-opencl-icd "$2" >/tmp/packages.log 2>&1 ||
        { tail -n 5 /tmp/packages.log; exit 77; }
    exec tests/run.sh --no-install --build /newer newer_inside
fi

arguments=("$@") mirror=
if [ "$1" = --mirror ]; then
    mirror=$2
    shift 2
fi
tree=$1 work=$2 results=$3 release=${4:-trixie}
case $release in
trixie) clang="clang-19" ;;
noble) clang="clang-18" ;;
*) printf 'newer.sh: unknown release: %s\n' "$release" >&2; exit 2 ;;
esac

# A skipped test in the results, so that the count has the reason.
skip() {
    printf '{"name": "a newer Linux / %s", "result": "SKIP", "duration": 0, "stdout": "%s"}\n' "$release" "$*" >"$results/$release.json"
    printf 'skipped: %s\n' "$*"
    exit 77
}

mkdir -p "$work/cache"
root_enter "$work" "$0" "${arguments[@]}"
root_make "$release" "$work/debootstrap.log" "$mirror"
root_copy "$tree"
mkdir -p "$root/newer/cache"
mount --bind "$work/cache" "$root/newer/cache" || skip 'the system does not let us mount'
status=0
root_run /clkv/tests/platforms/newer.sh --inside "$clang" || status=$?
[ $status != 77 ] || skip "the packages of $release could not be installed"
for file in "$root"/newer/results/*.json "$root"/newer/results/*.log; do
    [ ! -e "$file" ] || cp "$file" "$results/$release-$(basename "$file")"
done
[ ! -e "$root/newer/results/broken" ] || sed "s/^/$release: /" "$root/newer/results/broken" >>"$results/broken"
[ -e "$root/newer/results/times" ] || echo "$release: tests/run.sh did not begin" >>"$results/broken"
