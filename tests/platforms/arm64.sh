#!/usr/bin/env bash
# arm64.sh FOLDER [TEST…]: device tests of an arm64 build on pocl for arm64, run by qemu. By hand only: it takes minutes.
#
# Extracts Debian's arm64 packages into FOLDER/root, builds the device tests named (default: the smallest ones) with
# Debian's cross compiler in FOLDER/build, and runs them with tiny shapes. It installs nothing. It needs the packages
# debootstrap, gcc-aarch64-linux-gnu and qemu-user.
#
# Exit status: 0 all passed, 1 one failed, 2 usage, 77 something is missing. SPDX-License-Identifier: Apache-2.0
set -eu
[ $# -ge 1 ] || { echo 'usage: tests/platforms/arm64.sh FOLDER [TEST…]' >&2; exit 2; }
tree=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/root.sh
. "$tree/tests/root.sh"
mkdir -p "$1/cache/pocl" "$1/bin"
work=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- device ring positions
for program in debootstrap aarch64-linux-gnu-gcc qemu-aarch64 meson ninja; do
    command -v "$program" >/dev/null || skip "no $program"
done

root=$work/root libraries=$work/root/usr/lib/aarch64-linux-gnu
if [ ! -e "$work/extracted" ]; then
    say "arm64 packages of $(root_running)"
    root_find_mirror
    debootstrap --arch=arm64 --download-only --variant=minbase --components="$root_components" \
        --include=pocl-opencl-icd,ocl-icd-opencl-dev,libxxhash-dev,libcjson-dev,zlib1g-dev,check,libc6-dev \
        "$(root_running)" "$work/packages" "$root_mirror" >"$work/debootstrap.log" 2>&1 ||
        { tail -n 5 "$work/debootstrap.log"; skip 'debootstrap could not fetch the packages'; }
    mkdir -p "$root"
    for package in "$work"/packages/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
    touch "$work/extracted"
fi

cat >"$work/cross.ini" <<TEXT
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-ar'
pkgconfig = 'pkg-config'
[properties]
sys_root = '$root'
pkg_config_libdir = '$libraries/pkgconfig:$root/usr/share/pkgconfig'
[built-in options]
c_args = ['--sysroot=$root', '-isystem', '$root/usr/include']
c_link_args = ['--sysroot=$root', '-L$libraries', '-Wl,-rpath-link,$libraries']
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
TEXT
[ -e "$work/build/build.ninja" ] || meson setup --cross-file "$work/cross.ini" -Dwerror=true -Dtools=disabled \
    -Dtests=enabled "$work/build" "$tree"
ninja -C "$work/build" "${@/#/tests/device/test_}"

# pocl calls `ld` to link a kernel. qemu does not run it, so it is one of this machine, which knows nothing of the root.
gcc=$(echo "$root"/usr/lib/gcc/aarch64-linux-gnu/*)
printf '#!/bin/sh\nexec %q --sysroot=%q -L%q -L%q -L%q "$@"\n' "$(command -v aarch64-linux-gnu-ld)" "$root" "$gcc" \
    "$libraries" "$root/lib/aarch64-linux-gnu" >"$work/bin/ld"
chmod +x "$work/bin/ld"
export PATH="$work/bin:$PATH" XDG_CACHE_HOME="$work/cache" POCL_CACHE_DIR="$work/cache/pocl"
export OCL_ICD_VENDORS="$root/etc/OpenCL/vendors/pocl.icd" CLKV_TEST_GRID=tiny CLKV_TEST_NEED_DEVICE=1 CK_FORK=no
status=0
for name in "$@"; do
    say "$name"
    qemu-aarch64 -L "$root" -E LD_LIBRARY_PATH="$root/lib/aarch64-linux-gnu:$libraries" \
        "$work/build/tests/device/test_$name" || status=1
done
exit $status
