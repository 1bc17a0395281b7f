#!/usr/bin/env python3
"""Compiles every kernel, as the library would build it, with the compilers of devices that nobody here owns.

For each target (see --list) every kernel file, variant and representative shape is compiled. What a compiler tells
about each kernel (lanes, registers, bytes spilled, local memory) is compared with a table in the repository:

    target  shape  kernel  lanes  registers  spill  local

A kernel fails that does not compile, that spills, that needs more local memory than every device has, that is
missing in the table, or that takes other lanes or over a tenth more registers or local memory than the table says.
With another version of a compiler than the table was made with only the first three count.

Exit status: 0 all as in the table, 1 not, 2 usage, 77 nothing could be compiled (the compiler is not there).
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "cl"))
import embed  # noqa: E402  (its folder is known only now)
sys.path.insert(0, str(HERE))
import strict  # noqa: E402
AMD_BITCODE = pathlib.Path("/usr/lib/x86_64-linux-gnu/amdgcn/bitcode")
NVIDIA_BITCODE = pathlib.Path("/usr/lib/clc/nvptx64--nvidiacl.bc")
MOST_LOCAL = 32768  # bytes: what Apple's GPUs and llvmpipe have
JUMP = 1.10
COLUMNS = ("target", "shape", "kernel", "lanes", "registers", "spill", "local")

# What every kernel file is compiled after, as cl/meson.build has it.
SHARED = [ROOT / "cl" / name for name in re.findall(r"'(\w+\.cl)'", re.search(
    r"cl_shared = files\((.*?)\)", (ROOT / "cl/meson.build").read_text(encoding="utf-8"), re.S).group(1))]

# Shapes and types at the edges of what is legal, for the strict compiler alone.
EXTREMES = """
-DCLKV_DEFAULTS_ONLY
-DCLKV_K_FORMAT=f32 -DCLKV_V_FORMAT=f32 -DCLKV_HEAD_DIM=64 -DCLKV_GROUP=1 -DCLKV_WORK_GROUP=1
-DCLKV_HEAD_DIM=256 -DCLKV_GROUP=8 -DCLKV_IN_HALF=1 -DCLKV_OUT_HALF=1 -DCLKV_WORK_GROUP=256
-DCLKV_V_FORMAT=f32 -DCLKV_HEAD_DIM=8 -DCLKV_HEAD_DIM_V=120 -DCLKV_GROUP=7 -DCLKV_BLOCK_SIZE=1 -DCLKV_WORK_GROUP=64
-DCLKV_HEAD_DIM=120 -DCLKV_HEAD_DIM_V=8 -DCLKV_GROUP=5 -DCLKV_BLOCK_SIZE=256 -DCLKV_SLABS=32
-DCLKV_HEAD_DIM=80 -DCLKV_KV_HEADS=1 -DCLKV_GROUP=64 -DCLKV_SLABS=4 -DCLKV_TILE_TOKENS=1
-DCLKV_K_FORMAT=f32 -DCLKV_HEAD_DIM=192 -DCLKV_HEAD_DIM_V=128 -DCLKV_TILE_TOKENS=16 -DCLKV_SLABS=2 -DCLKV_OUT_HALF=1
""".strip().splitlines()


class Failed(Exception):
    """A compiler refused a kernel; the text says why."""


class Build:
    """One program: the files that make it, its build options, and the names of those in the table; whether it is for
    GPUs, and whether it has exactly one kernel, as the library's programs have."""

    def __init__(self, shape, files, options, gpu=False, one_kernel=False):
        self.shape, self.files, self.options, self.gpu, self.one_kernel = shape, files, options.split(), gpu, one_kernel
        self.name = "+".join(path.stem for path in files if path not in SHARED) or files[-1].stem

    def text(self):
        return "".join(embed.text_of(str(path)) + "\n" for path in self.files)


def library_builds(builds_exe, kind, sub_group=None):
    command = [builds_exe, kind] + ([str(sub_group)] if sub_group else [])
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        shape, file, _, options = line.split("\t")
        yield Build(shape, SHARED + [ROOT / "cl" / (file + ".cl")], options, gpu=kind != "cpu", one_kernel=True)


def model_builds(group, strip=1):
    """The kernels of clkv-generate's runtime: one program."""
    files = [ROOT / "tools/llm" / name for name in ("matmul.cl", "layers.cl", "sample.cl")]
    for half in (0, 1):
        yield Build("f16" if half else "f32", files,
                    "-cl-std=CL1.2 -DLLM_GROUP=%d -DLLM_STRIP=%d -DLLM_HALF=%d" % (group, strip, half), gpu=group > 1)


def model_group():
    """Work-items that clkv-generate starts with on a GPU."""
    text = (ROOT / "tools/llm/compute.c").read_text(encoding="utf-8")
    return int(re.search(r"^#define GROUP_LIMIT (\d+)u", text, re.M).group(1))


def builds_for(target, builds_exe):
    yield from library_builds(builds_exe, target.kind, target.sub_group)
    yield from model_builds(model_group())
    if isinstance(target, Strict):
        yield from library_builds(builds_exe, "cpu")
        yield from model_builds(1)
        yield from model_builds(1, 32)
        for options in EXTREMES:
            for n in range(1, len(SHARED) + 1):
                yield Build("extreme", SHARED[:n], options)
            for path in sorted(set((ROOT / "cl").glob("*.cl")) - set(SHARED)):
                yield Build("extreme", SHARED + [path], options)


def run(command, work):
    done = subprocess.run(command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False)
    if done.returncode:
        raise Failed("%s exited with %d\n%s" % (command[0], done.returncode, (done.stdout + done.stderr)[:2000]))
    return done.stdout + done.stderr


def first_number(pattern, text, default=0):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else default


class Target:
    """A device to compile for. tools: what must be on the PATH; compile() → [(kernel, lanes, registers, spill,
    local)], empty where the compiler tells nothing."""

    kind, sub_group, tools = "discrete", None, ()

    def __init__(self, name):
        self.name = name

    def missing(self):
        return next((tool for tool in self.tools if not shutil.which(tool)), None)

    def version(self):
        """Of the compiler whose figures are in the table, one line."""
        text = subprocess.run([self.tools[0], "--version"], capture_output=True, text=True, check=False).stdout
        return text.splitlines()[0].strip()


class Strict(Target):
    """OpenCL C 1.2 with all extensions off and all warnings on, to SPIR-V 1.0 that is valid for OpenCL 1.2, under the
    rules of strict.py: a stand-in for Apple's compiler, and others that have nothing beyond the core."""

    tools = ("clang-15", "llvm-spirv-15", "spirv-val")

    def compile(self, build, source, work):
        own = [word for word in build.options if not word.startswith("-cl-std")]
        # Included, so that what is unused of the prelude in one kernel's file is no warning.
        pathlib.Path(work, source).write_text("".join('#include "%s"\n' % path for path in build.files),
                                              encoding="utf-8")
        run(["clang-15", *strict.FLAGS, *own, "-emit-llvm", "-S", source, "-o", "k.ll"], work)
        text = pathlib.Path(work, "k.ll").read_text(encoding="utf-8")
        wrong = list(strict.breaches(text, build.gpu, build.one_kernel))
        wrong += ["asks the compiler for " + name for name in strict.questions(build.text())]
        if wrong:
            raise Failed("\n".join(wrong))
        run(["clang-15", "-x", "ir", "-target", "spir64", "-Xclang", "-disable-llvm-passes", "-emit-llvm", "-c", "k.ll",
             "-o", "k.bc"], work)
        run(["llvm-spirv-15", "--spirv-max-version=1.0", "k.bc", "-o", "k.spv"], work)
        run(["spirv-val", "--target-env", "opencl1.2", "k.spv"], work)
        return []


class Intel(Target):
    """ocloc makes code for the real instruction set; its figures are in the section .ze_info."""

    tools = ("ocloc", "readelf")

    def __init__(self, name, kind, sub_group):
        super().__init__(name)
        self.kind, self.sub_group = kind, sub_group

    def version(self):
        with tempfile.TemporaryDirectory() as work:
            subprocess.run("ocloc query OCL_DRIVER_VERSION".split(), cwd=work, capture_output=True, check=False)
            text = next(pathlib.Path(work).iterdir()).read_text(encoding="ascii", errors="replace")
        return "ocloc " + text.strip(" \0\n")

    def compile(self, build, source, work):
        run(["ocloc", "compile", "-file", source, "-device", self.name, "-options", " ".join(build.options), "--format",
             "zebin", "-output", "k", "-out_dir", "out"], work)
        binary = next(pathlib.Path(work, "out").glob("*.bin"))
        text = run(["readelf", "-p", ".ze_info", str(binary)], work).replace("\\n", "")
        rows = []
        for block in re.split(r"\n *- name: +", text.split("kernels_misc_info:")[0])[1:]:
            name = block.split()[0]
            if name == "Intel_Symbol_Table_Void_Program":
                continue
            spill = sum(int(n) for n in re.findall(r"- type: +(?:scratch|global)\n +usage: +\w+\n +size: +(\d+)", block))
            rows.append((name, first_number(r"simd_size: +(\d+)", block), first_number(r"grf_count: +(\d+)", block),
                         spill, first_number(r"slm_size: +(\d+)", block)))
        return rows


class Amd(Target):
    """clang 15 with Debian's device libraries; clang 19 for devices that are newer than both, with the constant that
    tells those libraries the instruction set."""

    def __init__(self, name, isa=None):
        super().__init__(name)
        self.isa = isa
        self.tools = ("clang-19",) if isa else ("clang-15",)

    def missing(self):
        return super().missing() or (None if AMD_BITCODE.is_dir() else "rocm-device-libs")

    def libraries(self, work):
        if not self.isa:
            return ["--rocm-device-lib-path=" + str(AMD_BITCODE)]
        pathlib.Path(work, "isa.cl").write_text("const __constant int __oclc_ISA_version = %d;\n" % self.isa,
                                                encoding="ascii")
        run(["clang-19", "-x", "cl", "-cl-std=CL1.2", "-target", "amdgcn-amd-amdhsa", "-nogpulib", "-emit-llvm", "-c",
             "isa.cl", "-o", "isa.bc"], work)
        wave64 = "on" if self.name.startswith("gfx9") else "off"
        names = ["opencl", "ocml", "ockl", "oclc_correctly_rounded_sqrt_off", "oclc_daz_opt_off",
                 "oclc_finite_only_off", "oclc_unsafe_math_off", "oclc_wavefrontsize64_" + wave64,
                 "oclc_abi_version_500"]
        links = [str(AMD_BITCODE / (name + ".bc")) for name in names] + ["isa.bc"]
        return ["-nogpulib"] + [word for link in links for word in
                                ("-Xclang", "-mlink-builtin-bitcode", "-Xclang", link)]

    def compile(self, build, source, work):
        text = run([self.tools[0], "-x", "cl", "-target", "amdgcn-amd-amdhsa", "-mcpu=" + self.name, "-O3", "-w",
                    *self.libraries(work), *build.options, "-S", source, "-o", "-"], work)
        rows = []
        for block in re.split(r"\n  - ", text.split(".amdgpu_metadata")[1].split("\namdhsa.target")[0])[1:]:
            kernel = re.search(r"^    \.symbol: +'?(\w+)\.kd", block, re.M)
            spilled = first_number(r"\.vgpr_spill_count: +(\d+)", block) * 4
            rows.append((kernel.group(1), first_number(r"\.wavefront_size: +(\d+)", block),
                         first_number(r"\.vgpr_count: +(\d+)", block),
                         max(spilled, first_number(r"\.private_segment_fixed_size: +(\d+)", block)),
                         first_number(r"\.group_segment_fixed_size: +(\d+)", block)))
        return rows


class Nvidia(Target):
    """clang to PTX, and NVIDIA's ptxas from that to the real instruction set. clang 15 splits every load of 4 bytes in
    two, which clang 19 does not: it serves only where that is missing, and the version then says so."""

    def __init__(self, name):
        super().__init__(name)
        self.tools = ("clang-19",) if shutil.which("clang-19") else ("clang-15",)

    def ptxas(self):
        """In this Python's packages (nvidia-cuda-nvcc-cu12), or on the PATH."""
        places = [pathlib.Path(place, "nvidia/cuda_nvcc/bin/ptxas") for place in sys.path]
        return next((str(place) for place in places if os.access(place, os.X_OK)), None) or shutil.which("ptxas")

    def missing(self):
        absent = super().missing() or (None if NVIDIA_BITCODE.exists() else "libclc-15")
        return absent or (None if self.name == "ptx" or self.ptxas() else "ptxas")

    def version(self):
        clang = super().version()
        if self.name == "ptx":
            return clang
        text = subprocess.run([self.ptxas(), "--version"], capture_output=True, text=True, check=False).stdout
        return "%s, ptxas %s" % (clang, re.search(r"V[\d.]+", text).group(0))

    def compile(self, build, source, work):
        run([self.tools[0], "-x", "cl", "-target", "nvptx64-nvidia-nvcl", "-Xclang", "-mlink-builtin-bitcode", "-Xclang",
             str(NVIDIA_BITCODE), "-Xclang", "-target-cpu", "-Xclang", "sm_75", "-O3", "-w", *build.options, "-S",
             source, "-o", "k.ptx"], work)
        if self.name == "ptx":
            return []
        text = run([self.ptxas(), "-v", "-arch=" + self.name, "k.ptx", "-o", "k.cubin"], work)
        rows = []
        for block in text.split("Compiling entry function '")[1:]:
            spill = sum(int(n) for n in re.findall(r"(\d+) bytes (?:stack frame|spill)", block))
            rows.append((block.split("'")[0], 32, first_number(r"Used (\d+) registers", block), spill,
                         first_number(r"(\d+) bytes smem", block)))
        return rows


TARGETS = {target.name: target for target in [
    Strict("spirv"),
    Intel("skl", "integrated", 8), Intel("tgllp", "integrated", 8), Intel("dg2", "discrete", 8),
    Intel("pvc", "discrete", 16),
    Amd("gfx906"), Amd("gfx90a"), Amd("gfx1030"), Amd("gfx942", 9402), Amd("gfx1100", 11000), Amd("gfx1201", 12001),
    Nvidia("ptx"), Nvidia("sm_75"), Nvidia("sm_80"), Nvidia("sm_86"), Nvidia("sm_89"), Nvidia("sm_90"),
]}


def compile_one(target, build):
    """Rows of the table for one program, or the reason why there are none."""
    with tempfile.TemporaryDirectory(prefix="clkv-compile-") as work:
        pathlib.Path(work, "k.cl").write_text(build.text(), encoding="utf-8")
        try:
            rows = target.compile(build, "k.cl", work)
        except Failed as failed:
            return build, [], str(failed)
    return build, [(target.name, build.shape) + row for row in rows], None


def compile_all(target, builds_exe, jobs):
    """All rows of a target, what failed, and how many programs there were."""
    rows, failures, builds = [], [], list(builds_for(target, builds_exe))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for build, got, why in pool.map(lambda build: compile_one(target, build), builds):
            rows += got
            if why:
                failures.append("%s, %s of %s does not compile with %s:\n%s" % (
                    target.name, build.shape, build.name, " ".join(build.options), why))
    return rows, failures, len(builds)


def read_table(path):
    """{target: version of its compiler}, {(target, shape, kernel): (lanes, registers, spill, local)}"""
    versions, rows = {}, {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        cells = line.split("\t")
        if cells[0] == "# compiler":
            versions[cells[1]] = cells[2]
        elif not line.startswith("#") and cells[0] != "target":
            rows[tuple(cells[:3])] = tuple(int(cell) for cell in cells[3:])
    return versions, rows


def write_table(path, versions, rows):
    order = {name: i for i, name in enumerate(TARGETS)}
    lines = ["# What the vendors' offline compilers make of each kernel. Made by tests/portability/compile.py --renew;",
             "# spill and local in bytes, registers per lane (Intel: of a thread). SPDX-License-Identifier: Apache-2.0"]
    lines += ["# compiler\t%s\t%s" % (name, versions[name]) for name in TARGETS if name in versions]
    lines.append("\t".join(COLUMNS))
    for key in sorted(rows, key=lambda key: (order[key[0]],)):
        lines.append("\t".join(key + tuple(str(number) for number in rows[key])))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def breaches(target, got, table, same_compiler):
    """What is wrong with a target's rows, a line each."""
    for row in got:
        key, (lanes, registers, spill, local) = row[:3], row[3:]
        name = "%s, %s of %s: " % (key[0], key[1], key[2])
        if spill:
            yield name + "spills %d bytes; nothing may" % spill
        if local > MOST_LOCAL:
            yield name + "%d bytes of local memory, more than the %d that every device has" % (local, MOST_LOCAL)
        if not same_compiler:
            continue
        if key not in table:
            yield name + "is not in the table"
            continue
        old_lanes, old_registers, _, old_local = table[key]
        if lanes != old_lanes:
            yield name + "%d lanes, the table says %d" % (lanes, old_lanes)
        for what, new, old in (("registers", registers, old_registers), ("bytes of local memory", local, old_local)):
            if new > old * JUMP:
                yield name + "%d %s, over a tenth more than the %d of the table" % (new, what, old)
    gone = {key for key in table if key[0] == target.name} - {row[:3] for row in got}
    for key in sorted(gone) if same_compiler else []:
        yield "%s, %s of %s: is in the table only" % key


def check_target(target, args, table, versions):
    """One target: 0 as in the table, 1 not, 77 it cannot be compiled for here. Renews versions and table if asked."""
    absent = target.missing()
    if absent:
        print("skipped: %s: no %s" % (target.name, absent))
        return 77
    version = target.version()
    rows, failures, n = compile_all(target, args.builds, args.jobs)
    if args.renew:
        for key in [key for key in table if key[0] == target.name]:
            del table[key]
        table.update({row[:3]: row[3:] for row in rows})
        versions[target.name] = version
    same = versions.get(target.name, version) == version
    failures += breaches(target, rows, table, same)
    print("%s: %d programs, %d kernels, %s%s: %s" % (
        target.name, n, len(rows), version, "" if same else " (the table is of %s)" % versions[target.name],
        "%d failures" % len(failures) if failures else "good"))
    for failure in failures:
        print("  " + failure)
    if failures and not args.renew:
        print("If that is as it must be: tests/portability/compile.py --builds %s --renew %s" % (
            args.builds, target.name))
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all (see --list)")
    parser.add_argument("--builds", help="the program of that name in the build folder: tests/portability/builds")
    parser.add_argument("--table", type=pathlib.Path, default=HERE / "resources.tsv", help="default: %(default)s")
    parser.add_argument("--renew", action="store_true", help="write what is found into the table")
    parser.add_argument("--jobs", type=int, default=1, help="compilers at a time (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="print the targets and what each lacks here")
    args = parser.parse_args()
    if args.list:
        for target in TARGETS.values():
            absent = target.missing()
            print("%-8s %s" % (target.name, "no " + absent if absent else target.version()))
        return 0
    unknown = [name for name in args.targets if name not in TARGETS]
    if unknown or not args.builds:
        parser.error("unknown target: " + " ".join(unknown) if unknown else "--builds is needed")
    versions, table = read_table(args.table)
    results = [check_target(TARGETS[name], args, table, versions) for name in args.targets or TARGETS]
    if args.renew:
        write_table(args.table, versions, table)
    return 1 if 1 in results else 77 if set(results) == {77} else 0


if __name__ == "__main__":
    sys.exit(main())
