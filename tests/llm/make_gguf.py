#!/usr/bin/env python3
"""make_gguf.py CHECKPOINT TOKENIZER OUT TYPE: a GGUF file of a llama2.c checkpoint (version 0), by the gguf package
from PyPI. TYPE is F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0 or Q5_1; matrices whose rows are no whole blocks of it
become F16, and vectors stay F32, as in llama.cpp's own files. Exits 77, and says so, when the package is not there
or cannot be used."""
# SPDX-License-Identifier: Apache-2.0
import struct
import sys

try:
    import gguf
    import numpy as np
    gguf.quants.quantize, gguf.quants.dequantize, gguf.GGUFReader  # an old one lacks some
except Exception as missing:  # whatever keeps it from loading: a broken numpy, an old package, too bare a system
    print(f"skipped: no usable gguf package: {type(missing).__name__}: {missing}; pip install gguf", flush=True)
    sys.exit(77)


def read_checkpoint(path):
    """(sizes, tensors by GGUF name). The pairs that RoPE turns are neighbours in both kinds of file."""
    raw = open(path, "rb").read()
    dim, hidden, layers, heads, kv_heads, vocab, context = struct.unpack_from("<7i", raw)
    data, at = np.frombuffer(raw, "<f4", offset=28), 0

    def take(*shape):
        nonlocal at
        n = int(np.prod(shape))
        at += n
        return data[at - n:at].reshape(shape)

    tensors = {"token_embd.weight": take(abs(vocab), dim)}
    head_dim = dim // heads
    for name, shape in (("attn_norm", (dim,)), ("attn_q", (dim, dim)), ("attn_k", (kv_heads * head_dim, dim)),
                        ("attn_v", (kv_heads * head_dim, dim)), ("attn_output", (dim, dim)), ("ffn_norm", (dim,)),
                        ("ffn_gate", (hidden, dim)), ("ffn_down", (dim, hidden)), ("ffn_up", (hidden, dim))):
        for layer, tensor in enumerate(take(layers, *shape)):
            tensors[f"blk.{layer}.{name}.weight"] = tensor
    tensors["output_norm.weight"] = take(dim)
    take(2, context, head_dim // 2)
    if vocab < 0:
        tensors["output.weight"] = take(-vocab, dim)
    return dict(dim=dim, hidden=hidden, layers=layers, heads=heads, kv_heads=kv_heads, vocab=abs(vocab),
                context=context), tensors


def read_tokenizer(path, vocab):
    """(pieces, scores, types) as GGUF has them: spaces marked, control tokens without their newlines."""
    raw, at = open(path, "rb").read(), 4
    pieces, scores, types = [], [], []
    for token in range(vocab):
        score, length = struct.unpack_from("<fi", raw, at)
        piece = raw[at + 8:at + 8 + length]
        at += 8 + length
        kind = gguf.TokenType.NORMAL
        if token < 3:
            kind = gguf.TokenType.CONTROL if token else gguf.TokenType.UNKNOWN
            piece = piece.strip()
        elif token < 259:
            kind = gguf.TokenType.BYTE
        pieces.append(piece.replace(b" ", "\u2581".encode()))
        scores.append(score)
        types.append(kind)
    return pieces, scores, types


def main(checkpoint, tokenizer, out, type_name):
    sizes, tensors = read_checkpoint(checkpoint)
    pieces, scores, types = read_tokenizer(tokenizer, sizes["vocab"])
    wanted = gguf.GGMLQuantizationType[type_name]
    block = gguf.GGML_QUANT_SIZES[wanted][0]

    w = gguf.GGUFWriter(out, "llama")
    w.add_name("stories260K")
    w.add_context_length(sizes["context"])
    w.add_embedding_length(sizes["dim"])
    w.add_block_count(sizes["layers"])
    w.add_feed_forward_length(sizes["hidden"])
    w.add_head_count(sizes["heads"])
    w.add_head_count_kv(sizes["kv_heads"])
    w.add_rope_dimension_count(sizes["dim"] // sizes["heads"])
    w.add_layer_norm_rms_eps(1e-5)
    w.add_tokenizer_model("llama")
    w.add_token_list(pieces)
    w.add_token_scores(scores)
    w.add_token_types(types)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    for name, tensor in tensors.items():
        kind = wanted if tensor.shape[-1] % block == 0 else gguf.GGMLQuantizationType.F16
        if tensor.ndim == 1 or kind == gguf.GGMLQuantizationType.F32:
            w.add_tensor(name, np.ascontiguousarray(tensor))
        else:
            w.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
