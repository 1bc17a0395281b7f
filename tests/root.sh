# shellcheck shell=bash
# root.sh: makes the root of a Debian or Ubuntu release by debootstrap, and runs a script in it. Sourced by the scripts
# that need a system of their own.
#
# A script calls root_enter first, which starts it a second time in a name space of its own: mounts are gone with that,
# and the folder of the root is removed at the end. Then root_make, root_copy and root_run, in this order. Everything
# that cannot be had here ends in `skip`, which a script may define otherwise after it has sourced this file.
# SPDX-License-Identifier: Apache-2.0

skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}
say() { printf '\n== %s (%ds)\n' "$*" "$SECONDS"; }

# root_enter WORK SCRIPT ARGUMENT…: makes a folder in WORK, and returns in the second run of the script with the folder
# in $root.
root_enter() {
    local work=$1
    shift
    if [ -n "${CLKV_TEST_ROOT:-}" ]; then
        root=$CLKV_TEST_ROOT
        unset CLKV_TEST_ROOT
        return
    fi
    [ "$(id -u)" = 0 ] || skip 'only root can make a new root'
    command -v debootstrap >/dev/null || skip 'no debootstrap'
    unshare --mount true 2>/dev/null || skip 'the system does not let us mount'
    root=$(mktemp -d "$work/root.XXXXXX")
    chmod 755 "$root" # apt downloads as a user of its own
    trap 'rm -rf --one-file-system "$root"' EXIT
    CLKV_TEST_ROOT=$root unshare --mount "$@"
    exit
}

# root_running: the code name of the release that runs.
# shellcheck source=/dev/null
root_running() { (. /etc/os-release && echo "${VERSION_CODENAME:-}"); }

# root_find_mirror: the mirror that apt has for the release that runs, in $root_mirror, and its parts that apt uses, in
# $root_components.
root_find_mirror() {
    local running sources
    running=$(root_running)
    # shellcheck disable=SC2016 # the dollars are for apt-get
    sources=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk -v release="$running" '$1 == release' | sort -u)
    root_mirror=$(awk 'NR == 1 { print $2 }' <<<"$sources")
    if [ -z "$running" ] || [ -z "$root_mirror" ]; then skip 'apt knows no mirror of the release that runs'; fi
    root_components=$(awk -v mirror="$root_mirror" '$2 == mirror { print $3 }' <<<"$sources" | paste -sd ,)
}

# root_make RELEASE LOG [MIRROR]: a root of RELEASE, from MIRROR or from that which apt has. It answers what apt asks,
# and reaches the mirror in the way that apt does here.
root_make() {
    local release=$1 log=$2 include=() script=()
    root_mirror=${3:-} root_components=main,universe
    [ -n "$root_mirror" ] || root_find_mirror
    case $root_mirror in https:*) include=(--include=ca-certificates) ;; esac
    # An older debootstrap does not know the newer releases of Ubuntu. All of them are made as this one is.
    [ -e "/usr/share/debootstrap/scripts/$release" ] || script=(gutsy)
    say "a root of $release"
    debootstrap --variant=minbase --components="$root_components" "${include[@]}" "$release" "$root" "$root_mirror" \
        "${script[@]}" >"$log" 2>&1 || { tail -n 5 "$log"; skip "debootstrap could not make a root of $release"; }
    {
        printf 'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n'
        apt-config dump | grep -E '^Acquire::https?::' || :
    } >"$root/etc/apt/apt.conf.d/90clkv"
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/clkv" # a root that is thrown away need not survive a crash
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
}

# root_copy TREE: the source tree, without builds, to /clkv of the root.
root_copy() {
    mkdir "$root/clkv"
    tar -C "$1" --exclude='./build*' --exclude=./.git --exclude=./subprojects -cf - . | tar -C "$root/clkv" -xf -
}

# root_run COMMAND…: runs a command in the root, with an environment that has nothing of this one.
root_run() {
    local folder
    for folder in proc sys dev; do
        mountpoint -q "$root/$folder" || mount --rbind "/$folder" "$root/$folder" ||
            skip "the system does not let us mount /$folder"
    done
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        chroot "$root" "$@"
}
