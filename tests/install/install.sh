#!/usr/bin/env bash
# install.sh WAY ROOT BUILD enabled|disabled CC [CXX]: uses clkv as a stranger's project would. WAY is
#   installed   stages BUILD in an empty folder, as packagers do; compiles consumer.c against it by pkg-config, shared
#               and static, as C and as C++; compares the exported symbols with the headers; checks the soname and the
#               version of each symbol
#   prefix      builds for a prefix of its own and installs there: the programs run as they are, also where the prefix
#               is moved or has another libdir, pkg-config finds the library, and uninstalling leaves nothing behind
#   subproject  a meson project that has clkv in its subprojects folder: the library is built, and nothing else
# SPDX-License-Identifier: Apache-2.0
set -eu
way=$1 root=$2 build=$3 opencl=$4 cc=$5 cxx=${6:-}
here=$root/tests/install
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
# step TEXT COMMAND…: what it prints is shown only when it fails.
step() {
    local text=$1
    shift
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "$text failed"; }
}
programs=clkv-replay
[ "$opencl" = disabled ] || programs="$programs clkv-bench clkv-info clkv-verify"

if [ "$way" = subproject ]; then
    mkdir "$work/subprojects"
    ln -s "$root" "$work/subprojects/clkv"
    cp "$here/consumer.c" "$work/"
    cat >"$work/meson.build" <<TEXT
project('consumer', 'c', default_options: ['c_std=c11', 'warning_level=3'])
subproject('clkv', default_options: ['opencl=$opencl', 'default_library=static'])
test('consumer', executable('consumer', 'consumer.c', dependencies: dependency('clkv')))
TEXT
    CC=$cc step setup meson setup "$work/build" "$work"
    step compilation meson compile -C "$work/build"
    "$work/build/consumer"
    for folder in tools tests; do
        [ ! -e "$work/build/subprojects/clkv/$folder" ] || fail "$folder were built in a subproject"
    done
    exit
fi

if [ "$way" = prefix ]; then
    # As on a Debian without dpkg-dev, where meson takes lib64 unless it is told otherwise.
    mkdir "$work/path"
    printf '#!/bin/sh\nexit 1\n' >"$work/path/dpkg-architecture"
    chmod +x "$work/path/dpkg-architecture"
    PATH=$work/path:$PATH
    prefix=$work/prefix
    CC=$cc step setup meson setup "$work/build" "$root" --prefix "$prefix" --buildtype=plain -Dopencl="$opencl" \
        -Dtools=enabled -Dtests=disabled
    run_programs() { # PREFIX
        for program in "$1"/bin/*; do
            LD_LIBRARY_PATH='' step "$program" "$program" --version
        done
    }
    uninstall() {
        step uninstall ninja -C "$work/build" uninstall
        [ ! -e "$prefix" ] || fail "uninstalling left:
$(find "$prefix")"
    }
    step install meson install -C "$work/build"
    run_programs "$prefix"
    # shellcheck disable=SC2046,SC2086 # words of flags, on purpose
    step 'compiling against the prefix' $cc "$here/consumer.c" -o "$work/consumer" \
        $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs clkv)
    LD_LIBRARY_PATH=$prefix/lib step 'the consumer' "$work/consumer"
    mv "$prefix" "$work/moved"
    run_programs "$work/moved"
    mv "$work/moved" "$prefix"
    uninstall
    step 'another libdir' meson configure "$work/build" -Dlibdir=lib64
    step install meson install -C "$work/build"
    [ -e "$prefix/lib64/libclkv.so" ] && [ ! -e "$prefix/lib" ] || fail '--libdir has no effect'
    run_programs "$prefix"
    uninstall
    exit
fi

step install meson install -C "$build" --no-rebuild --destdir "$work"
so=$(find "$work" -name 'libclkv.so')
[ -n "$so" ] || fail 'no libclkv.so was installed'
lib=$(dirname "$so")
prefix=$(dirname "$(dirname "$(find "$work" -path '*include/clkv' -type d)")")
sed -i "s|^prefix=.*|prefix=$prefix|" "$lib/pkgconfig/clkv.pc" # it was written for where DESTDIR stands for /
export PKG_CONFIG_PATH=$lib/pkgconfig
export LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

# The version has one place, version.h.
number() { sed -n "s/^#define CLKV_$1 \([0-9]*\)$/\1/p" "$root/include/clkv/version.h"; }
version=$(number VERSION_MAJOR).$(number VERSION_MINOR).$(number VERSION_PATCH)
[ "$(pkg-config --modversion clkv)" = "$version" ] || fail "pkg-config says $(pkg-config --modversion clkv), not $version"
soname=$(readelf -d "$so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = "libclkv.so.$(number ABI_VERSION)" ] || fail "the soname is $soname"
names=".so.$(number ABI_VERSION)\`, \`.so.$(number ABI_VERSION).$(number VERSION_MINOR).$(number VERSION_PATCH)\`"
grep -qF "$names" "$root/docs/install.md" || fail "docs/install.md does not name the library's files: $names"

# What the library exports is what the headers declare: no more, no less.
grep -hv '^#' "$prefix"/include/clkv/*.h | tr '\n' ' ' | grep -oE 'CLKV_API [^;{]*;' |
    sed -E 's/^CLKV_API [^(]*[ *](clkv_[a-z0-9_]+)\(.*/\1/' | sort -u >"$work/declared"
node=CLKV_$(number ABI_VERSION)
nm -D --defined-only "$so" | awk -v node="$node" '$3 != node { print $3 }' >"$work/versioned"
unversioned=$(grep -v "@@$node\$" "$work/versioned" || :)
[ -z "$unversioned" ] || fail "exported without the version $node: $unversioned"
sed 's/@.*//' "$work/versioned" | sort -u >"$work/exported"
diff "$work/declared" "$work/exported" >"$work/difference" ||
    fail "declared (<) and exported (>) differ:
$(grep '^[<>]' "$work/difference")"
stray=$(nm -g --defined-only "$lib/libclkv.a" | awk 'NF == 3 && $3 !~ /^clkv_/ { print $3 }')
[ -z "$stray" ] || fail "the static library defines names of others: $stray"

flags='-Wall -Wextra -Wpedantic -Werror'
# shellcheck disable=SC2046,SC2086 # words of flags, on purpose
{
    $cc -std=c11 $flags "$here/consumer.c" -o "$work/shared" $(pkg-config --cflags --libs clkv)
    "$work/shared"
    readelf -d "$work/shared" | grep -q "NEEDED.*\[$soname\]" || fail 'the shared consumer does not need the soname'
    $cc -std=c11 $flags "$here/consumer.c" -o "$work/static" $(pkg-config --cflags clkv) "$lib/libclkv.a" \
        $(pkg-config --static --libs clkv | sed 's/-lclkv\b//g')
    LD_LIBRARY_PATH='' "$work/static"
    if [ -n "$cxx" ]; then
        $cxx -x c++ -std=c++17 $flags "$here/consumer.c" -o "$work/cpp" $(pkg-config --cflags --libs clkv)
        "$work/cpp"
    fi
}
for program in $programs; do
    [ -x "$prefix/bin/$program" ] || fail "$program was not installed"
    for file in bash-completion/completions/"$program" zsh/site-functions/_"$program" \
        fish/vendor_completions.d/"$program".fish; do
        grep -q "Printed by $program" "$prefix/share/$file" || fail "share/$file was not installed"
    done
    ! command -v scdoc >/dev/null || grep -q "^.TH \"$program\"" "$prefix/share/man/man1/$program.1" ||
        fail "the manual page of $program was not installed"
done

# The same by CMake: both targets, a component version that is asked for, and one that is refused.
if ! command -v cmake >/dev/null; then
    printf 'no cmake: find_package(clkv) was not tried\n'
    exit
fi
mkdir "$work/cmake"
cp "$here/consumer.c" "$work/cmake/"
cmake_project() { # VERSION
    cat >"$work/cmake/CMakeLists.txt" <<TEXT
cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(clkv $1 REQUIRED CONFIG)
add_executable(shared consumer.c)
target_link_libraries(shared clkv::clkv)
add_executable(static consumer.c)
target_link_libraries(static clkv::clkv_static)
TEXT
}
cmake_project "$version"
export CC=$cc
step 'cmake' cmake -S "$work/cmake" -B "$work/cmake-build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="$flags"
step 'cmake --build' cmake --build "$work/cmake-build"
for consumer in shared static; do LD_LIBRARY_PATH='' step "the $consumer consumer of CMake" "$work/cmake-build/$consumer"; done
readelf -d "$work/cmake-build/shared" | grep -q "NEEDED.*\[$soname\]" || fail 'the consumer of CMake does not need the soname'
for wish in "$(number VERSION_MAJOR).$(($(number VERSION_MINOR) + 1))" "$(($(number VERSION_MAJOR) + 1)).0"; do
    cmake_project "$wish"
    if cmake -S "$work/cmake" -B "$work/cmake-refused" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" 2>&1; then
        fail "CMake takes clkv $version where $wish is asked for"
    fi
    grep -qF "version: $version" "$work/log" || { cat "$work/log"; fail 'CMake does not say which version is there'; }
done
