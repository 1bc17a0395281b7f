#!/usr/bin/env bash
# strict.sh PRELUDE KERNEL.cl: compiles one kernel file as strict OpenCL C 1.2, every extension off and every
# warning an error, to SPIR-V 1.0 that is valid for OpenCL 1.2: a stand-in for compilers that have nothing
# beyond the core. Once for each row of parameters. SPDX-License-Identifier: Apache-2.0
set -u
prelude=$(realpath "$1") kernel=$(realpath "$2")
for tool in clang-15 llvm-spirv-15 spirv-val; do
    command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

# As the library does it: the prelude first. It is tried alone too.
{
    printf '#include "%s"\n' "$prelude"
    [ "$prelude" = "$kernel" ] || printf '#include "%s"\n' "$kernel"
} >"$work/k.cl"

status=0
while read -r -a options; do
    clang-15 -x cl -cl-std=CL1.2 -Xclang -cl-ext=-all -target spir64 -O1 -Xclang -disable-llvm-passes \
        -Wall -Wextra -Wpedantic -Wshadow -Wno-unused-parameter -Werror "${options[@]}" \
        -emit-llvm -c "$work/k.cl" -o "$work/k.bc" &&
        llvm-spirv-15 --spirv-max-version=1.0 "$work/k.bc" -o "$work/k.spv" &&
        spirv-val --target-env opencl1.2 "$work/k.spv" && continue
    echo "failed: $(basename "$kernel") ${options[*]}"
    status=1
done <<'TEXT'
-DCLKV_DEFAULTS_ONLY
-DCLKV_KV_HALF=0 -DCLKV_HEAD_DIM=64 -DCLKV_GROUP=1 -DCLKV_WORK_GROUP=1
-DCLKV_KV_HALF=1 -DCLKV_HEAD_DIM=256 -DCLKV_GROUP=8 -DCLKV_IN_HALF=1 -DCLKV_OUT_HALF=1 -DCLKV_WORK_GROUP=256
-DCLKV_KV_HALF=0 -DCLKV_HEAD_DIM=8 -DCLKV_HEAD_DIM_V=120 -DCLKV_GROUP=7 -DCLKV_BLOCK_SIZE=1 -DCLKV_WORK_GROUP=64
-DCLKV_KV_HALF=1 -DCLKV_HEAD_DIM=120 -DCLKV_HEAD_DIM_V=8 -DCLKV_GROUP=5 -DCLKV_BLOCK_SIZE=256 -DCLKV_SLABS=32
-DCLKV_KV_HALF=1 -DCLKV_HEAD_DIM=80 -DCLKV_KV_HEADS=1 -DCLKV_GROUP=64 -DCLKV_SLABS=4 -DCLKV_TILE_TOKENS=1
-DCLKV_KV_HALF=0 -DCLKV_HEAD_DIM=192 -DCLKV_HEAD_DIM_V=128 -DCLKV_TILE_TOKENS=16 -DCLKV_SLABS=2 -DCLKV_OUT_HALF=1
TEXT
exit $status
