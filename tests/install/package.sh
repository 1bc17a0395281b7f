#!/usr/bin/env bash
# package.sh WAY ROOT CC: what others make packages of. WAY is
#   tarball   `meson dist` has every file of the commit; unpacked where there is no .git, it builds, and the suite unit
#             passes
#   debian    the source package of tools/debian, made from that tarball: dpkg-buildpackage makes the packages without
#             network, running the suite unit, and lintian finds neither an error nor a warning
# Uncommitted changes of ROOT are not in the tarball, and so are not tested.
#
# Exit status: 77 where that cannot be tried (ROOT is no checkout of git; no debhelper, lintian or build dependency).
# SPDX-License-Identifier: Apache-2.0
set -eu
way=$1 root=$2 cc=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}
# step TEXT COMMAND…: the end of what it prints is shown only when it fails.
step() {
    local text=$1
    shift
    "$@" >"$work/log" 2>&1 || { tail -n 60 "$work/log" >&2; fail "$text failed"; }
}

if [ "$way" = debian ]; then
    for program in dpkg-buildpackage dh lintian; do
        command -v $program >/dev/null || skip "there is no $program"
    done
    missing=$(cd "$root/tools" && dpkg-checkbuilddeps debian/control 2>&1) || skip "$missing"
fi
command -v git >/dev/null || skip 'there is no git'
git -C "$root" cat-file -e HEAD:meson.build 2>/dev/null || skip "$root is no checkout of git"

export CCACHE_DISABLE=1 HOME=$work CLKV_TEST_GRID=small
CC=$cc step setup meson setup "$work/build" "$root" -Dopencl=disabled -Dtools=disabled -Dtests=disabled
git config --global --add safe.directory "$root"
step 'meson dist' meson dist -C "$work/build" --no-tests --allow-dirty
archive=$(echo "$work"/build/meson-dist/clkv-*.tar.xz)
name=$(basename "$archive" .tar.xz)
tar -C "$work" -xf "$archive"
cd "$work/$name"
[ -z "$(git rev-parse --git-dir 2>/dev/null)" ] || fail "$work is below a checkout of git"
git -C "$root" ls-tree -r --name-only HEAD >"$work/committed"
find . -type f | cut -c 3- | LC_ALL=C sort | diff <(LC_ALL=C sort "$work/committed") - >"$work/difference" ||
    fail "committed (<) and in the tarball (>) differ:
$(cat "$work/difference")"

if [ "$way" = tarball ]; then
    CC=$cc step setup meson setup build --buildtype=plain -Dtools=disabled -Dtests=enabled -Dtest_suites=unit
    step compilation meson compile -C build
    step 'the suite unit' meson test -C build --no-rebuild --suite unit
    exit
fi

version=${name#clkv-}
cp "$archive" "$work/clkv_$version.orig.tar.xz"
cp -R tools/debian debian
case $(dpkg-parsechangelog -S Version) in
"$version"-*) ;;
*) fail "tools/debian/changelog has the version $(dpkg-parsechangelog -S Version), not one of $version" ;;
esac
offline=()
! unshare --net true 2>/dev/null || offline=(unshare --net)
# Without optimisation: the compiler takes half the time, and other tests look at what it makes.
step dpkg-buildpackage "${offline[@]}" env -u CC -u CXX PATH=/usr/sbin:/usr/bin:/sbin:/bin DEB_BUILD_OPTIONS=noopt \
    dpkg-buildpackage -us -uc
grep -q '^Ok: *[1-9]' "$work/log" || fail 'the build of the packages ran no test'
cd "$work"
lintian --fail-on error,warning ./*.changes || fail 'lintian does not accept the packages'
ls ./*.deb
