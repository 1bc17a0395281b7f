#!/usr/bin/env bash
# run.sh: the whole test suite in one command. Installs what is missing, builds every configuration, runs
# every suite, and ends with the line "N passed, N failed, N skipped", counted from meson's own results.
# Exit status: 0 all passed, 1 something failed, 2 usage or something missing that it cannot install.
# SPDX-License-Identifier: Apache-2.0
set -u

# The job `device` is a program of its own. It comes before everything that bash 3.2, which macOS has, does not know.
if [ "${1:-}" = device ]; then
    shift
    command -v python3 >/dev/null || {
        echo 'tests/run.sh device: there is no python3' >&2
        exit 2
    }
    exec python3 "$(dirname "$0")/device.py" "$@"
fi

usage() {
    cat <<'TEXT'
usage: tests/run.sh [--no-install] [--build DIR] [JOB…]
       tests/run.sh device [OPTION…]

Jobs (default: these, in this order):
  gcc          release build with gcc: unit, device, tools and llm tests on pocl; headers, house, install
  core         without OpenCL (-Dopencl=disabled)
  asan         address and undefined-behaviour sanitizers: unit, tools and device tests
  tsan         thread sanitizer: unit tests, and device tests with threads on pocl
  fuzz         libFuzzer on every parser and the block manager, bounded, under both sanitizers (clang)
  portability  device tests on every OpenCL implementation there is (pocl in four ways, Mesa rusticl as CPU and as GPU,
               Intel's CPU runtime, and tiny shapes under Oclgrind, whose log must stay empty), a tiny model
               on two of them, and every kernel compiled for devices that are not here
  fault        every OpenCL call and host allocation fails in turn, on pocl, with and without sanitizers
  fresh        every command of README.md and docs/install.md in a root that debootstrap makes (as root only)
  platforms    builds for Windows, macOS, musl, 32-bit and big-endian machines; their tests run under wine and qemu
  newer        Debian 13 in a root that debootstrap makes: builds with its gcc and clang; unit, device and tools tests
               on its pocl, portable device tests on its rusticl (as root only)
Only by name:
  clang        unit and device tests of a build with clang 15; runs where newer cannot
  newer_inside what newer runs in its root
  asan_llm     the asan build's llm suite: clkv-generate many times over, for minutes
  coverage     lines and branches that the unit, device and fault tests reach (needs gcovr)
  device       unit, tools and device tests on the OpenCL devices of this machine, with a report to send; the first word,
               without other jobs; installs nothing, also on macOS; tests/run.sh device --help lists its options

Options:
  --no-install do not install packages: take what is there
  --build DIR  where the builds go (default build-tests in the source tree; kept between runs)
TEXT
}

src=$(cd "$(dirname "$0")/.." && pwd) || exit 2
# shellcheck source=tools/packages.sh
. "$src/tools/packages.sh"

install=1
build=$src/build-tests
jobs=()
while [ $# -gt 0 ]; do
    case $1 in
    --no-install) install=0 ;;
    --build)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        build=$2
        shift
        ;;
    -h | --help) usage; exit 0 ;;
    device)
        echo 'tests/run.sh: device is the first word, and runs without other jobs' >&2
        exit 2
        ;;
    gcc | clang | core | asan | tsan | portability | fuzz | fault | fresh | newer | newer_inside | platforms | asan_llm | coverage)
        jobs+=("$1")
        ;;
    *)
        printf 'tests/run.sh: unknown job or option: %s\n' "$1" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done
[ ${#jobs[@]} -gt 0 ] || jobs=(gcc core asan tsan portability fuzz fault fresh newer platforms)

if [ $install = 1 ]; then
    packages_install "${packages_build[@]}" "${packages_test[@]}" || exit 2
    packages_try "${packages_optional[@]}"
    [[ " ${jobs[*]} " != *" platforms "* ]] || packages_try "${packages_platforms[@]}"
fi
packages_check || exit 2
mkdir -p "$build/results" "$build/cache" || exit 2
build=$(cd "$build" && pwd)
rm -f "$build"/results/*

# From PyPI, into an environment of its own that the builds take for python3: gguf for a test of the suite llm, pycparser
# and libclang for two of the suite headers, ptxas for NVIDIA's targets of the suite kernels, and an OpenCL CPU runtime
# with its vector mathematics. Without them those are skipped.
python_packages=(gguf pycparser libclang==18.1.1 intel-opencl-rt==2026.2.0 intel-cmplr-lib-rt==2026.2.0
    nvidia-cuda-nvcc-cu12==12.9.86)
if [ $install = 1 ]; then
    [ -x "$build/python/bin/pip" ] || python3 -m venv "$build/python" >&2
    for package in "${python_packages[@]}"; do
        grep -qxF "$package" "$build/python/installed" 2>/dev/null && continue
        if "$build/python/bin/pip" -q install --no-cache-dir "$package" >&2; then
            printf '%s\n' "$package" >>"$build/python/installed"
        else
            printf '%s could not be installed: its tests will be skipped.\n' "$package" >&2
        fi
    done
fi
[ -x "$build/python/bin/python3" ] && PATH=$build/python/bin:$PATH

# Nothing of the user's is read or written: program binaries go to a cache of our own, which all jobs share,
# so that each kernel is compiled once.
export XDG_CACHE_HOME=$build/cache
export POCL_CACHE_DIR=$build/cache/pocl
unset CLKV_DEVICE CLKV_VARIANT CLKV_CACHE_DIR CLKV_NO_CACHE

say() { printf '\n== %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }

# configure NAME MESON-OPTION…: sets up (or updates) the build NAME and compiles it, once in this run, with warnings as
# errors. A failure counts as a failed test, and the job's tests are not run.
declare -A configured=()
configure() {
    local name=$1 dir=$build/$1
    shift
    [ -z "${configured[$name]:-}" ] || return "${configured[$name]}"
    configured[$name]=1
    say "build $name"
    local again=()
    [ -f "$dir/build.ninja" ] && again=(--reconfigure)
    if meson setup "${again[@]}" -Dwerror=true -Dtools=enabled -Dtests=enabled "$@" "$dir" "$src" >"$build/results/$name.setup.log" 2>&1 &&
        meson compile -C "$dir" >"$build/results/$name.compile.log" 2>&1; then
        configured[$name]=0
        return 0
    fi
    tail -n 60 "$build/results/$name".{setup,compile}.log 2>/dev/null
    printf 'build %s failed\n' "$name" | tee -a "$build/results/broken"
    return 1
}

# run BUILD SETUP SUITE…: runs suites of a build under one of the setups of tests/meson.build, without the tests of a
# suite that is given as -SUITE, and keeps meson's record of it for the count.
run() {
    local name=$1 setup=$2 suite args=()
    shift 2
    for suite in "$@"; do
        case $suite in
        -*) args+=(--no-suite "${suite#-}") ;;
        *) args+=(--suite "$suite") ;;
        esac
    done
    say "test $name on $setup: $*"
    local log=$build/$name/meson-logs/testlog-$setup.json
    rm -f "$log"
    meson test -C "$build/$name" --no-rebuild --setup "$setup" --print-errorlogs "${args[@]}" </dev/null
    if [ -f "$log" ]; then
        cp "$log" "$build/results/$name-$setup-$1.json"
    else
        printf 'test %s on %s left no record\n' "$name" "$setup" | tee -a "$build/results/broken"
    fi
}

build_gcc() { configure gcc --buildtype=release; }
job_gcc() { build_gcc && run gcc pocl unit device tools llm fuzz headers mutation house install; }
job_clang() { CC=clang-15 CXX=clang++-15 configure clang && run clang pocl_small unit device; }
job_core() { configure core -Dopencl=disabled && run core pocl unit tools llm headers install; }
build_asan() { configure asan -Db_sanitize=address,undefined -Db_lundef=false; }
job_asan() {
    build_asan || return
    run asan asan unit fuzz
    run asan pocl_asan device tools -real -circumstances
}
job_asan_llm() { build_asan && run asan pocl_asan llm; }
job_tsan() {
    configure tsan -Db_sanitize=thread -Db_lundef=false || return
    run tsan tsan unit
    run tsan pocl_tsan threads
}
job_portability() {
    build_gcc || return
    run gcc short portability
    run gcc rusticl_tiny llm_rusticl
    run gcc oclgrind llm_oclgrind
}
job_fuzz() {
    CC=clang-15 CXX=clang++-15 configure fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false &&
        run fuzz asan fuzz
}
job_fault() {
    build_gcc && run gcc pocl fault fault_tools && run gcc rusticl late
    build_asan && run asan pocl_asan fault
}
job_fresh() { build_gcc && run gcc pocl fresh; }
job_platforms() {
    say "platforms"
    python3 "$src/tests/platforms/build.py" --build "$build/platforms" --only everything --lean --run --results "$build/results"
}
job_newer() {
    say 'a newer Linux'
    "$src/tests/platforms/newer.sh" "$src" "$build/newer" "$build/results"
    [ $? != 77 ] || job_clang # another compiler at least
}
job_newer_inside() {
    local clang
    clang=$(compgen -c clang- | grep -xE 'clang-[0-9]+' | sort -V | tail -n 1)
    if configure gcc -Ddebug=false; then
        run gcc pocl_tiny unit tools -circumstances
        run gcc rusticl_tiny portable -threads
    fi
    # Without optimisation: half the time, and clang's warnings do not depend on it.
    CC=$clang configure clang -Ddebug=false -Doptimization=0 && run clang pocl_tiny device -tiles
}
job_coverage() {
    configure coverage -Db_coverage=true && run coverage pocl_small unit device fault || return
    local options=(--root "$src" --filter "$src/src/" "$build/coverage")
    gcovr "${options[@]}" && gcovr --branches --exclude-unreachable-branches "${options[@]}"
}

# do_job JOB: what it cost goes to a file: its own processor time, whatever else the machine does.
do_job() {
    TIMEFORMAT="$1: %0U + %0S s of processor time, %0R s by the clock"
    { time "job_$1" 2>&3; } 3>&2 2>>"$build/results/times"
}

# These jobs install packages and ask compilers questions, one after the other, for much of their time. So they run side
# by side at the end; what each prints comes when all have ended.
beside=()
for job in "${jobs[@]}"; do
    case $job in
    fresh | newer | platforms) beside+=("$job") ;;
    *) do_job "$job" ;;
    esac
done
if [ ${#beside[@]} -gt 0 ]; then
    [[ " ${beside[*]} " != *" fresh "* ]] || build_gcc
    say "side by side: ${beside[*]}"
    trap 'trap - INT; kill -TERM 0' INT # the shell keeps Ctrl-C from jobs in the background
    for job in "${beside[@]}"; do do_job "$job" >"$build/results/$job.log" 2>&1 & done
    wait
    for job in "${beside[@]}"; do cat "$build/results/$job.log"; done
fi

say "result"
cat "$build/results/times"
python3 "$src/tests/count.py" "$build/results"
