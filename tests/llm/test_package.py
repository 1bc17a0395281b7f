#!/usr/bin/env python3
"""test_package.py DUMP SHARED: our GGUF reader against the gguf package from PyPI, which is llama.cpp's own: files
that it writes of the real checkpoint, and blocks of random bytes in every type that it can read. Exit status 77,
and a line, without the package; the real checkpoint alone is skipped where it is absent."""
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is left in the source tree
import make_gguf  # leaves with 77 without the package
import gguf
import numpy as np

DUMP, SHARED = sys.argv[1], sys.argv[2]
WORK = tempfile.TemporaryDirectory()
OURS = {"attn_q": "wq", "attn_k": "wk", "attn_v": "wv", "attn_output": "wo", "ffn_gate": "w_gate", "ffn_up": "w_up",
        "ffn_down": "w_down", "attn_norm": "attn_norm", "ffn_norm": "ffn_norm"}
failures = 0


def check(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", what, flush=True)


def our_name(name):
    if not name.startswith("blk."):
        return {"token_embd.weight": "embedding", "output_norm.weight": "final_norm"}[name]
    _, layer, part, _ = name.split(".")
    return f"{layer}.{OURS[part]}"


def dump(path, name):
    done = subprocess.run([DUMP, path, our_name(name)], capture_output=True, timeout=60)
    check(done.returncode == 0, f"{path} {name}: {done.stderr.decode()}")
    return np.frombuffer(done.stdout, "<f4")


def same_as_package(path):
    """Every tensor of the file, as the package reads it and as we do. In what order a product's factors are taken
    is no part of the format, so the last bit may differ."""
    types = set()
    for t in gguf.GGUFReader(path).tensors:
        want = gguf.quants.dequantize(t.data, t.tensor_type).astype("<f4").reshape(-1)
        got = dump(path, t.name)
        types.add(t.tensor_type.name)
        check(got.shape == want.shape, f"{path} {t.name}: {got.shape} for {want.shape}")
        if got.shape == want.shape:
            scale = np.abs(want).max()
            off = np.abs(got - want).max()
            check(off <= 1e-6 * scale, f"{path} {t.name}: {off} of {scale}")
    return types


def real():
    checkpoint, tokenizer = (os.path.join(SHARED, "model", name) for name in ("stories260K.bin", "tok512.bin"))
    if not os.path.exists(checkpoint):
        print(f"skipped: no {checkpoint}")
        return
    for kind in ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"):
        path = os.path.join(WORK.name, f"stories-{kind}.gguf")
        make_gguf.main(checkpoint, tokenizer, path, kind)
        check(kind in same_as_package(path), f"{path} holds no {kind}")


def random_blocks(kind):
    """A model of one layer whose matrices are random bytes, but for the scales, which must be finite halves."""
    kind = gguf.GGMLQuantizationType[kind]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    scales = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2],
              "Q6_K": [208]}[kind.name]
    rng = np.random.default_rng(int(kind))
    dim, vocab = 512, 16

    path = os.path.join(WORK.name, f"random-{kind.name}.gguf")
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(64)
    w.add_embedding_length(dim)
    w.add_block_count(1)
    w.add_feed_forward_length(dim)
    w.add_head_count(8)
    w.add_layer_norm_rms_eps(1e-5)
    shapes = {"token_embd.weight": (vocab, dim), "output_norm.weight": (dim,)}
    shapes.update({f"blk.0.{part}.weight": (dim,) if "norm" in part else (dim, dim) for part in OURS})
    for name, shape in shapes.items():
        if len(shape) == 1:
            w.add_tensor(name, rng.standard_normal(shape).astype("<f4"))
            continue
        blocks = rng.integers(0, 256, (shape[0], shape[1] // elements, size), np.uint8)
        for at in scales:
            d = rng.standard_normal(blocks.shape[:2]).astype("<f2")
            blocks[:, :, at:at + 2] = d.view(np.uint8).reshape(*d.shape, 2)
        w.add_tensor(name, blocks.reshape(shape[0], -1), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    check(kind.name in same_as_package(path), f"{path} holds no {kind.name}")


real()
for each in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"):
    random_blocks(each)
sys.exit(1 if failures else 0)
