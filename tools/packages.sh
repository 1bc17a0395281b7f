# shellcheck shell=bash
# packages.sh: what the two commands of the README (tools/demo.sh, tests/run.sh) need from the system, and
# how it gets there. Sourced by both; installs with apt on Debian and Ubuntu, elsewhere says what is wanted.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # used by those who source it

# To build the library and its tools and to run them on a machine without a GPU.
packages_build=(gcc libc6-dev meson ninja-build pkg-config python3 libxxhash-dev libcjson-dev zlib1g-dev
    ocl-icd-opencl-dev opencl-headers pocl-opencl-icd libclblast-dev libedit-dev)

# For the test suite, beyond those: the framework, the other compilers, the other OpenCL implementations.
packages_test=(check cmake python3-venv g++ clang-15 llvm-spirv-15 spirv-tools mesa-opencl-icd oclgrind locales zsh
    fish scdoc mandoc)

# Compilers of devices that are not here, what makes a fresh root, and what makes and checks Debian's packages. Not every
# release has all: without one its tests are skipped.
packages_optional=(intel-opencl-icd rocm-device-libs libclc-15 clang-19 debootstrap dpkg-dev debhelper
    lintian git)

# Compilers and emulators for other systems (the job platforms of tests/run.sh). zig comes from PyPI.
packages_platforms=(gcc-mingw-w64-x86-64 wine64 wine gcc-i686-linux-gnu libc6-dev-i386-cross libc6-i386 gcc-s390x-linux-gnu
    libc6-dev-s390x-cross qemu-user)

# The same for people who do not have apt.
packages_elsewhere='a C11 compiler, meson 1.0 or newer, ninja, pkg-config, python3, xxHash, cJSON, zlib, CLBlast, libedit,
OpenCL headers and an ICD loader, and an OpenCL implementation (a GPU driver, or pocl for the CPU);
for the tests also Check, g++, clang 15, llvm-spirv 15, spirv-tools, Mesa rusticl and Oclgrind,
zsh, fish, scdoc and mandoc'

# packages_install NAME…: installs those that are missing. Returns 2, having said why, when it cannot.
packages_install() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        printf 'This is no Debian or Ubuntu. Please install:\n%s\nand run again with --no-install.\n' \
            "$packages_elsewhere" >&2
        return 2
    fi
    local missing=() name
    for name in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            printf 'Missing, and neither root nor sudo to install it:\n    apt-get install %s\n' "${missing[*]}" >&2
            return 2
        fi
        as_root=(sudo)
    fi
    printf 'Installing: %s\n' "${missing[*]}" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update </dev/null >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
            install "${missing[@]}" </dev/null >&2 && return 0
    printf 'apt-get could not install: %s\n' "${missing[*]}" >&2
    return 2
}

# packages_try NAME…: installs those that this system knows, and says which it does not. Never fails.
packages_try() {
    command -v apt-cache >/dev/null || return 0
    local known=() name
    for name in "$@"; do
        if apt-cache show "$name" >/dev/null 2>&1; then
            known+=("$name")
        else
            printf 'There is no package %s here: tests that need it will be skipped.\n' "$name" >&2
        fi
    done
    [ ${#known[@]} -eq 0 ] || packages_install "${known[@]}" || printf 'Their tests will be skipped.\n' >&2
    return 0
}

# packages_check: the build tools are there and meson is new enough. Returns 2, having said what is wanted.
packages_check() {
    local tool version
    for tool in meson ninja pkg-config python3; do
        command -v $tool >/dev/null || {
            printf 'There is no %s. Needed are:\n%s\n' $tool "$packages_elsewhere" >&2
            return 2
        }
    done
    version=$(meson --version)
    [ "$(printf '%s\n' 1.0.0 "$version" | sort -V | head -n 1)" = 1.0.0 ] || {
        printf 'meson %s is too old: 1.0.0 or newer is needed.\n' "$version" >&2
        return 2
    }
}
