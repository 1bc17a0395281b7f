#!/usr/bin/env python3
"""Measures llama.cpp on one GGUF file through the package llama-cpp-python, the way generate-figures.py measures
clkv-generate, and prints a JSON object. Prompts: one sequence of N tokens in one call, only the last one's logits.
Decoding: N sequences of one token each at first, a greedy token more for each of them in every call. Only llama.cpp's
own functions are timed, and the greedy choice; nothing of Python's but the loop."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import json
import time

import llama_cpp as ll

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--prompt", type=int, default=512)
parser.add_argument("--tokens", type=int, default=64)
parser.add_argument("--sequences", default="1,4,16")
args = parser.parse_args()
counts = [int(n) for n in args.sequences.split(",")]

silence = ll.llama_log_callback(lambda level, text, user: None)  # llama.cpp keeps the pointer: it must stay
ll.llama_log_set(silence, None)
ll.llama_backend_init()
model = ll.llama_model_load_from_file(args.model.encode(), ll.llama_model_default_params())
assert model, args.model
sampler = ll.llama_sampler_init_greedy()


def context(sequences, tokens):
    """K and V of fp16, as there; room for just these tokens."""
    p = ll.llama_context_default_params()
    p.n_ctx = max(256, sequences * tokens)
    p.n_batch = p.n_ubatch = max(args.prompt, sequences)
    p.n_seq_max = sequences
    p.kv_unified = False
    p.n_threads = p.n_threads_batch = args.threads
    c = ll.llama_init_from_model(model, p)
    assert c
    return c


def put(batch, i, token, position, sequence, logits):
    batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, logits
    batch.seq_id[i][0] = sequence


def prompt(n):
    c, batch, seconds = context(1, n), ll.llama_batch_init(n, 0, 1), 0
    batch.n_tokens = n
    for i in range(n):
        put(batch, i, 259 + i * 7 % 1000, i, 0, i + 1 == n)
    for _ in range(2):  # the first to warm up
        ll.llama_memory_clear(ll.llama_get_memory(c), True)
        start = time.perf_counter()
        assert ll.llama_decode(c, batch) == 0
        ll.llama_sampler_sample(sampler, c, -1)
        seconds = time.perf_counter() - start
    ll.llama_batch_free(batch)
    ll.llama_free(c)
    return n / seconds


def decode(n):
    c, batch = context(n, args.tokens + 2), ll.llama_batch_init(n, 0, 1)
    batch.n_tokens = n
    ids, start = [300 + i for i in range(n)], 0
    for step in range(args.tokens + 1):  # the first to warm up
        if step == 1:
            start = time.perf_counter()
        for i in range(n):
            put(batch, i, ids[i], step, i, True)
        assert ll.llama_decode(c, batch) == 0
        ids = [ll.llama_sampler_sample(sampler, c, i) for i in range(n)]
    seconds = time.perf_counter() - start
    ll.llama_batch_free(batch)
    ll.llama_free(c)
    return n * args.tokens / seconds


print(json.dumps({
    "package": "llama-cpp-python " + ll.__version__,
    "system": ll.llama_print_system_info().decode(),
    "threads": args.threads,
    "prompt_tokens_per_s": prompt(args.prompt),
    "decode_tokens_per_s": {str(n): decode(n) for n in counts},
}))
