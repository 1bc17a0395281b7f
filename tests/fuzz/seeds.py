#!/usr/bin/env python3
"""seeds.py TARGET FOLDER: writes the first inputs of a fuzz target, made from the formats as docs/formats.md and
docs/models.md tell them, and one for every fault that fuzzing has found (found_…).
SPDX-License-Identifier: Apache-2.0
"""
import gzip
import json
import pathlib
import struct
import sys


def f32(*values):
    return struct.pack("<%df" % len(values), *values)


# ---- safetensors ----

def case_header(q_lens, kv_lens, heads=2, kv_heads=1, dim=2, lse=True, **metadata):
    """(header, data) of an attention case of zeros."""
    q, kv = sum(q_lens), sum(kv_lens)
    shapes = {"q": [q, heads, dim], "k": [kv, kv_heads, dim], "v": [kv, kv_heads, dim], "o": [q, heads, dim],
              "q_lens": [len(q_lens)], "kv_lens": [len(kv_lens)]}
    if lse:
        shapes["lse"] = [q, heads]
    said = {"scale": "0.5", "causal": "1", "atol": "1e-5", "rtol": "1e-5"}
    said.update(metadata)
    header, data = {"__metadata__": said}, b""
    for name, shape in shapes.items():
        part = struct.pack("<%di" % len(q_lens), *(q_lens if name == "q_lens" else kv_lens)) \
            if name.endswith("lens") else bytes(4 * _product(shape))
        header[name] = {"dtype": "I32" if name.endswith("lens") else "F32", "shape": shape,
                        "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    return header, data


def _product(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def safetensors():
    def framed(header, data):
        text = json.dumps(header).encode()
        return b"\1" + text + b"\0" + data

    def whole(header, data):
        text = json.dumps(header).encode()
        return b"\0" + struct.pack("<Q", len(text)) + text + data

    yield "case", framed(*case_header([1, 2], [3, 2]))
    yield "whole", whole(*case_header([2], [2], lse=False))
    yield "options", framed(*case_header([1], [4], window="3", softcap="1.5"))
    yield "types", framed({n: {"dtype": n, "shape": [1, 0], "data_offsets": [0, 0]}
                           for n in ("BOOL", "U8", "F8_E4M3", "I16", "BF16", "F64")}, b"")
    yield "empty", framed({}, b"")
    yield "found_escape_in_number", framed(*case_header([1], [1], scale="\x1b[2J"))


# ---- traces ----

def trace():
    mooncake = b"".join(b'{"timestamp": %d, "input_length": %d, "output_length": 5, "hash_ids": [%s]}\n' % (
        i, 400 + 300 * i, b", ".join(b"%d" % k for k in range((400 + 300 * i + 511) // 512))) for i in range(5))
    azure = b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03,374,44\r\n2023-11-16 18:17:04,396,109\n"
    yield "mooncake", b"\0" + mooncake
    yield "mooncake_gz", b"\1" + mooncake
    yield "mooncake_cut", b"\2" + mooncake
    yield "azure", b"\x08" + azure
    yield "azure_gz", b"\1" + azure
    yield "gz_itself", b"\0" + gzip.compress(azure, mtime=0)
    yield "gz_two_members", b"\0" + gzip.compress(azure, mtime=0) + gzip.compress(b"\n", mtime=0)
    yield "gz_trailing", b"\0" + gzip.compress(azure, mtime=0) + b"garbage"
    yield "azure_odd", b"\0" + azure + b"2023,0,1\n2023,,1\n2023,5,99999999999\n"
    yield "mooncake_odd", b"\0" + mooncake + b'{"input_length": 0, "output_length": null, "hash_ids": []}\n'
    yield "mark", b"\0\xef\xbb\xbf" + mooncake
    yield "deep", b"\0" + b'{"hash_ids":' + b"[" * 2000
    yield "found_escape_in_field", b"\0" + azure + b"2023,\x1b[2J,1\n"


# ---- GGUF ----

KINDS = {"u8": (0, "B"), "i8": (1, "b"), "u16": (2, "H"), "i16": (3, "h"), "u32": (4, "I"), "i32": (5, "i"),
         "f32": (6, "f"), "bool": (7, "B"), "u64": (10, "Q"), "i64": (11, "q"), "f64": (12, "d")}
# number, elements and bytes of a block
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20), "Q5_0": (6, 32, 22),
         "Q5_1": (7, 32, 24), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176),
         "Q6_K": (14, 256, 210), "BF16": (30, 1, 2)}


def string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, x):
    if kind == "string":
        return struct.pack("<I", 8) + string(x)
    if kind == "strings":
        return struct.pack("<IIQ", 9, 8, len(x)) + b"".join(string(s) for s in x)
    if kind.startswith("["):
        number, letter = KINDS[kind[1:]]
        return struct.pack("<IIQ", 9, number, len(x)) + b"".join(struct.pack("<" + letter, e) for e in x)
    number, letter = KINDS[kind]
    return struct.pack("<I" + letter, number, x)


def container(keys, tensors, version=3, data=None):
    """tensors: (name, type, dims from the row on). Data is left to the target's zeros unless given."""
    out = [b"GGUF", struct.pack("<IQQ", version, len(tensors), len(keys))]
    out += [string(name) + value(kind, x) for name, kind, x in keys]
    at = 0
    for name, kind, dims in tensors:
        number, elements, size = TYPES[kind]
        out.append(string(name) + struct.pack("<I", len(dims)) + struct.pack("<%dQ" % len(dims), *dims) +
                   struct.pack("<IQ", number, at))
        at += (_product(dims) // elements * size + 31) // 32 * 32
    head = b"".join(out)
    return (b"\1" if data is None else b"\0") + head + (b"" if data is None else bytes(-len(head) % 32) + bytes(at))


def vocabulary(kind):
    if kind == "none":
        return []
    if kind == "spm":
        return [("tokenizer.ggml.model", "string", "llama"),
                ("tokenizer.ggml.tokens", "strings", ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581a", "a", "b", "ab", ""]),
                ("tokenizer.ggml.scores", "[f32", [-float(i) for i in range(9)]),
                ("tokenizer.ggml.token_type", "[i32", [2, 3, 3, 6, 1, 1, 1, 1, 4]),
                ("tokenizer.ggml.bos_token_id", "u32", 1), ("tokenizer.ggml.add_bos_token", "bool", 1),
                ("tokenizer.chat_template", "string", "[INST]")]
    return [("tokenizer.ggml.model", "string", "gpt2"), ("tokenizer.ggml.pre", "string", kind),
            ("tokenizer.ggml.tokens", "strings",
             ["a", "b", "ab", "\u0120", "\u0120a", "c", "d", "<|im_end|>", "<|x|>"]),
            ("tokenizer.ggml.token_type", "[i32", [1, 1, 1, 1, 1, 1, 1, 3, 4]),
            ("tokenizer.ggml.merges", "strings", ["a b", "\u0120 a"]),
            ("tokenizer.ggml.eos_token_id", "u32", 7)]


def model(arch="llama", vocab="spm", kind="F32", layers=1, dim=8, heads=2, kv_heads=1, more=(), extra=()):
    head, hidden = dim // heads, dim
    keys = [("general.architecture", "string", arch), ("general.name", "string", "tiny")]
    for name, x in (("context_length", 64), ("embedding_length", dim), ("block_count", layers),
                    ("feed_forward_length", hidden), ("attention.head_count", heads),
                    ("attention.head_count_kv", kv_heads)):
        keys.append(("%s.%s" % (arch, name), "u32", x))
    keys.append(("%s.attention.layer_norm_rms_epsilon" % arch, "f32", 1e-6))
    keys += [("%s.%s" % (arch, name), k, x) for name, k, x in more]
    tensors = [("token_embd.weight", kind, (dim, 9)), ("output_norm.weight", "F32", (dim,))]
    for i in range(layers):
        blk = "blk.%d." % i
        tensors += [(blk + "attn_norm.weight", "F32", (dim,)), (blk + "ffn_norm.weight", "F32", (dim,)),
                    (blk + "attn_q.weight", kind, (dim, dim)), (blk + "attn_k.weight", kind, (dim, kv_heads * head)),
                    (blk + "attn_v.weight", kind, (dim, kv_heads * head)), (blk + "attn_output.weight", kind, (dim, dim)),
                    (blk + "ffn_gate.weight", kind, (dim, hidden)), (blk + "ffn_up.weight", kind, (dim, hidden)),
                    (blk + "ffn_down.weight", kind, (hidden, dim))]
        if arch == "qwen2":
            tensors += [(blk + "attn_q.bias", "F32", (dim,)), (blk + "attn_k.bias", "F32", (kv_heads * head,)),
                        (blk + "attn_v.bias", "F32", (kv_heads * head,))]
        if arch == "qwen3":
            tensors += [(blk + "attn_q_norm.weight", "F32", (head,)), (blk + "attn_k_norm.weight", "F32", (head,))]
    return keys + vocabulary(vocab), tensors + list(extra)


def gguf():
    yield "llama_spm", container(*model())
    yield "whole_file", container(*model(), data=True)
    yield "version_2", container(*model(layers=2), version=2)
    yield "qwen2_bpe", container(*model("qwen2", "qwen2"))
    yield "qwen3_none", container(*model("qwen3", "none"))
    yield "llama_bpe", container(*model(vocab="llama-bpe", extra=[("output.weight", "F32", (8, 9)),
                                                                  ("rope_freqs.weight", "F32", (2,))]))
    for kind, (_, elements, _) in sorted(TYPES.items()):
        if elements > 1:
            yield "type_" + kind, container(*model(vocab="none", kind=kind, dim=elements))
    yield "half", container(*model(kind="F16", more=[("rope.freq_base", "f32", 5e5), ("rope.scaling.factor", "f32", 2),
                                                     ("rope.scaling.type", "string", "linear"),
                                                     ("rope.dimension_count", "u64", 4)]))
    yield "per_layer", container(*model(layers=2, more=[("attention.key_length", "[u32", [4, 4]),
                                                        ("attention.sliding_window", "u16", 32)]))
    yield "beside", b"\3" + container(*model(vocab="none"))[1:]
    keys, tensors = model()
    yield "kinds", container(keys + [("k." + k, k, 1) for k in KINDS] + [("a." + k, "[" + k, [0, 1]) for k in KINDS] +
                             [("general.alignment", "u32", 64)], tensors)


# ---- checkpoints ----

def checkpoint():
    def tokenizer(n):
        pieces = ["<unk>", "<s>", "</s>", "<0x41>", " a", "b", "ab"] + ["p%d" % i for i in range(n)]
        return struct.pack("<i", 6) + b"".join(f32(-i) + struct.pack("<i", len(p)) + p.encode()
                                               for i, p in enumerate(pieces[:n]))

    def file(how, difference, header, body=b"", tokens=b""):
        head = struct.pack("<7i", *header) + body
        return struct.pack("<BbH", how, difference, len(head)) + head + tokens

    yield "grown", file(1, 0, (8, 8, 1, 2, 1, 9, 4), tokens=tokenizer(9))
    yield "own_output", file(1, 0, (8, 8, 2, 2, 2, -9, 4), tokens=tokenizer(9))
    yield "no_tokenizer", file(3, 0, (4, 4, 1, 1, 1, 1, 1))
    yield "short", file(3, -4, (8, 8, 1, 2, 1, 9, 4))
    yield "bytes_left", file(3, 3, (8, 8, 1, 2, 1, 9, 4))
    # dim 2, hidden 1, layers 1, heads 1, KV heads 1, vocabulary 3, context 1
    yield "whole", file(0, 0, (2, 1, 1, 1, 1, 3, 1), f32(*[0.5] * (6 + 4 + 16 + 6 + 2 + 2)), tokenizer(3))
    yield "huge", file(3, 0, (0x7ffffffe, 0x7fffffff, 0x7fffffff, 0x3fffffff, 1, 0x7fffffff, 0x7fffffff))
    for magic in (b"ak42", b"ggml", b"ggjt", b"PK\3\4", b"GGUF"):
        yield "magic_" + magic[:2].decode(), struct.pack("<BbH", 2, 0, 40) + magic + bytes(36)


# ---- vocabulary and text ----

def tokenizer_seeds():
    def vocab(kind, split, bos, pieces, merges, text):
        out = [bytes([kind, split, bos, len(pieces) - 1])]
        for type_, score, piece in pieces:
            raw = piece.encode()
            out.append(struct.pack("<BbB", type_ - 1, score, len(raw)) + raw)
        if kind & 1:
            out.append(bytes([len(merges)]) + b"".join(bytes([len(m.encode())]) + m.encode() for m in merges))
        return b"".join(out) + (text if isinstance(text, bytes) else text.encode())

    text = "Hello  w\u00f6rld\u2581 1234's it's\r\n\n don't <s>ab</s> \U0001f600 \u0661\u0662 a\u0301" + "ab" * 20
    pieces = [(1, 0, " "), (1, -1, "ab"), (1, 3, "abab"), (3, 0, "<s>"), (4, 0, "</s>"), (1, -2, "l"), (1, 5, "ll"),
              (4, 0, " a"), (2, 0, "<unk>"), (5, 0, "w")]
    for split in range(6):
        yield "bpe_%d" % split, vocab(3, split, 0, pieces + [(1, 0, "\u0120a")], ["a b", "ab ab", "l l", "\u0120 a"], text)
    yield "spm", vocab(6, 0, 0, pieces, [], text)
    yield "spm_bos", vocab(14, 1, 3, pieces, [], text)
    yield "spm_few_bytes", vocab(12, 0, 0, pieces + [(6, 0, "<0x61>")], [], text)
    yield "bad_utf8", vocab(2, 0, 0, pieces, [], b"\xff\xc3\xe2\x96\x81\xe2\x96a\xf0\x9f\x98\xed\xa0\x80\xc0\x80\0end")
    yield "no_bytes", vocab(9, 2, 5, pieces, ["a b"], text)


def prompts():
    for how in range(8):
        yield "lines_%d" % how, bytes([how]) + "one\ntwo \u00f6\r\n\n'four'\n\nlast".encode()
    yield "zero", b"\0a\0b\n"
    yield "nothing", b"\0"


def dequant():
    for kind in range(11):
        yield "type_%d" % kind, bytes([kind, 0, 1]) + bytes(range(256)) * 2
        yield "wide_%d" % kind, bytes([kind, 2, 0]) + bytes(reversed(range(256))) * 4


def options():
    yield "all", b"--flag\0--small=5\0--wide\0" b"18446744073709551615\0--bytes\0" b"1.5GiB\0--real=-0.5\0--text\0x\0file"
    yield "texts", b"--texts\0a\0--texts=\0--texts=b\0--choice=gamma\0--\0--flag"
    yield "help", b"--small\0" b"4\0--help"
    yield "version", b"--version"
    yield "wrong", b"--bytes=18446744073709551615K\0--nothing"
    yield "prefix", b"--fl\0--te=x\0--s=3\0a\0b\0c"


def json_texts():
    yield "texts", "plain\0\u00f6 \"quoted\" \\ \U0001f600\0".encode() + b"\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\x1b\x01"
    yield "nan", struct.pack("<d", float("nan"))
    yield "infinity", struct.pack("<d", float("inf"))


def binary():
    """Files of the layout are made by the target itself, which can compute the checksum."""
    yield "stored", b"\1" + bytes(10) + b"a program"
    yield "magic", b"\1" + struct.pack("<I", 0) + b"\1" + bytes(5) + b"a program"
    yield "payload", b"\1" + struct.pack("<I", 50) + b"\x80" + bytes(5) + b"a program"
    yield "length", b"\1" + struct.pack("<IB", 32, 1) + struct.pack("<IB", 40, 1) + b"a program"
    yield "nothing", b"\1" + bytes(10)
    yield "file", b"\0CLKVPRG\n" + struct.pack("<II", 1, 48) + bytes(16) + struct.pack("<QQ", 4, 0) + b"data"
    yield "short", b"\0CLKVPRG\n"


def manager():
    """Operations by their place in target_manager.c's list."""
    create, add, reserve, commit, destroy, fork, truncate, preempt, resume = range(9)
    rollback, pop, write, accept, pin, reset, victim, wrong, batch = range(12, 21)

    def world(size=2, blocks=15, rest=(5, 1, 0)):
        return bytes([size, blocks, *rest])

    def prompt(s, n, text=0, keys=0x80, parts=0):
        return bytes([create, s, 0, n, text, parts, keys])

    def grow(s, n, text=0, b=0):
        return bytes([add, b, s, 0x80, n, text, 0, reserve, b, commit, b])

    yield "two_prompts", world() + prompt(0, 20) + grow(0, 20) + prompt(1, 20) + grow(1, 7) + bytes([destroy, 0])
    yield "fork_and_write", world() + prompt(0, 9) + grow(0, 9) + bytes([fork, 0, 1]) + grow(1, 3, 1) + grow(0, 2)
    yield "evict", world(blocks=3) + b"".join(prompt(i, 12, i) + grow(i, 12, i) + bytes([destroy, i]) for i in range(4))
    yield "window", world() + bytes([create, 0, 8, 0, 0, 0, 0x80, 3]) + grow(0, 30) + bytes([truncate, 0, 33]) + grow(0, 9)
    yield "drafts", world() + prompt(0, 4) + bytes([add, 0, 0, 5, 1, 0, reserve, 0, write, 0, accept, 0, 0, 2, commit, 0])
    yield "refused", world(blocks=1) + prompt(0, 60) + bytes([add, 0, 0, 0x80, 60, 0, 0, reserve, 0, victim, 0, pop, 0, 0])
    yield "rollback", world() + prompt(0, 9) + bytes([add, 0, 0, 0x80, 9, 0, 0, reserve, 0, write, 0, rollback, 0,
                                                      reserve, 0, rollback, 0, batch, 0])
    yield "rollback_after_writing", world(blocks=3) + prompt(0, 12) + grow(0, 12) + bytes([destroy, 0]) + \
        prompt(1, 16, 1) + bytes([add, 0, 1, 0x80, 16, 1, 0, reserve, 0, write, 0, rollback, 0]) + prompt(0, 12)
    yield "rollback_untouched", world(blocks=3) + prompt(0, 12) + grow(0, 12) + bytes([destroy, 0]) + \
        prompt(1, 16, 1) + bytes([add, 0, 1, 0x80, 16, 1, 0, reserve, 0, rollback, 0]) + prompt(0, 12)
    yield "truncate_into_full", world() + prompt(0, 12, 3) + grow(0, 12, 3) + bytes([truncate, 0, 3]) + \
        grow(0, 6, 3) + prompt(1, 12, 3) + bytes([destroy, 0]) + prompt(2, 13, 3, parts=70)
    yield "hidden", world(blocks=3) + prompt(0, 12) + grow(0, 12) + bytes([destroy, 0]) + prompt(1, 16, 1) + \
        bytes([add, 0, 1, 0x80, 16, 1, 0, reserve, 0]) + prompt(2, 12) + bytes([commit, 0]) + prompt(3, 12)
    yield "preempt", world() + prompt(0, 20) + grow(0, 20) + bytes([preempt, 0, resume, 0, 20, 0, 0, reset])
    yield "pins", world(blocks=3) + prompt(0, 12) + grow(0, 12) + bytes([destroy, 0, pin, 12, 3, 5, 0, 0, 0x80, 9])
    yield "found_empty_commit", world() + bytes([reserve, 0, commit, 0])
    yield "keys", world() + prompt(0, 20, keys=0x1d) + bytes([3, 5, 1, 8, 8, 0]) + grow(0, 20) + bytes([wrong, 0] * 3)


def params():
    """Indices into target_params.c's list of likely numbers, or 0xe0 and a power of two."""
    def cache(layers=1, heads=5, kv_heads=2, dim=6, dim_v=0, kind=0, size=6, blocks=6, rest=b""):
        return bytes([layers, heads, kv_heads, dim, dim_v, kind, size, blocks]) + rest

    yield "small", cache()
    yield "f32", cache(kind=2, dim_v=5, rest=bytes([4, 8, 1, 8, 7]))
    yield "by_memory", cache(blocks=0, rest=bytes([4, 8, 0, 0, 0, 14, 4, 0, 0]))
    yield "slabs", cache(rest=bytes([4, 8, 0, 0, 0, 0, 0, 13, 2]))
    yield "wrong", cache(heads=3)
    # 2^16 layers, 2^12 heads of 256 + 256 floats, 2^29 blocks of 4 tokens: 2^70 bytes
    yield "found_product_of_2_to_70", bytes([15, 13, 13, 11, 11, 1, 4, 0xe0, 29])
    yield "found_too_many_sequences", cache(rest=bytes([15, 1, 0]))
    yield "found_watermark", cache(rest=bytes([4, 8, 12]))
    yield "found_hash_bits", cache(rest=bytes([4, 8, 0, 9]))


def pool():
    for shuffle in range(2):
        yield "all_states_%d" % shuffle, bytes([7, 0, shuffle, 0, 5, 6, 0, 1, 6, 1, 1, 8, 1, 3, 3, 0, 3, 1, 3, 2, 2, 0, 0, 8,
                                                9, 3, 3, 255])
    yield "watermark", bytes([7, 7, 3, 0, 0, 6, 0, 4, 0, 2])
    yield "priorities", bytes([5, 0, 0, 0, 6]) + b"".join(bytes([6, i, 1, 8, i, i % 3, 3, i]) for i in range(6)) + bytes([0, 6])


def plan():
    def one(split=0, parts=0, causal=1, entries=((1, 500), (30, 20))):
        return struct.pack("<BBBIBBBBIBIB", 1, 4, 7, 64, 0, 8, 16, causal, split, 0, parts, 0) + \
            bytes([len(entries) - 1]) + b"".join(struct.pack("<BH", q - 1, before) for q, before in entries)

    yield "automatic", one() + one(entries=((1, 10),))
    yield "fixed", one(split=48) + one(causal=0)
    yield "parts", one(parts=5, entries=((3, 600),)) + one(parts=0xffffffff)
    yield "huge_part", one(split=0xffffffff)


TARGETS = {"plan": plan, "pool": pool, "params": params, "manager": manager, "safetensors": safetensors, "trace": trace, "gguf": gguf, "checkpoint": checkpoint,
           "tokenizer": tokenizer_seeds, "prompts": prompts, "dequant": dequant, "options": options,
           "json": json_texts, "binary": binary}


def main(target, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in TARGETS[target]():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in TARGETS:
        sys.exit(__doc__)
    main(*sys.argv[1:])
