#!/usr/bin/env python3
"""test_replay.py TOOL PART [DATA]: clkv-replay as a program. PART is one of
   input      what it refuses, with which message and exit code
   host       --attention off: exact figures on small traces, small pools, every format
   device     --attention on --check (exit status 77 without an OpenCL device)
   synthetic  tools/make-trace.py, and clkv-replay on what it makes
   real       the real traces in DATA/traces (exit status 77 without them)
What is expected is computed here, from the traces alone."""
# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import tempfile

import programs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from command import command, is_posix  # noqa: E402  (its folder is known only now)

TOOL, PART = command(sys.argv[1]), sys.argv[2]
POSIX = is_posix(sys.argv[1])
DATA = sys.argv[3] if len(sys.argv) > 3 else ""
KEYS = ("finished requests prompt_tokens prefix_hit_tokens prefix_hit_rate generated_tokens computed_tokens steps evictions preemptions "
        "peak_used_blocks waste_percent uploaded_bytes_per_step tokens_per_s seconds leaked_blocks "
        "max_abs_error").split()
SMALL = os.environ.get("CLKV_TEST_GRID", "full") != "full"  # the device is slow
WORK = tempfile.TemporaryDirectory()
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def write(name, content):
    path = os.path.join(WORK.name, name)
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    return path


def run(*arguments, stdin=None):
    return subprocess.run([*TOOL, *map(str, arguments)], capture_output=True, input=stdin, timeout=600)


def replay(path, *arguments, code=0):
    """The figures of a run that must end with `code`."""
    done = run("--json", *arguments, path)
    if done.returncode != code:
        sys.exit(f"FAILED: {arguments}: exit {done.returncode}, not {code}: {done.stderr.decode()}")
    figures = json.loads(done.stdout)
    for key in KEYS:
        check(key in figures, f"{arguments}: no key {key}")
    check(figures["finished"] is True, f"{arguments}: not finished")
    check(figures["leaked_blocks"] == 0, f"{arguments}: leaked {figures['leaked_blocks']}")
    return figures


def refused(what, arguments, *words, code=2, stdin=None):
    done = run(*arguments, stdin=stdin)
    text = done.stderr.decode()
    check(done.returncode == code, f"{what}: exit {done.returncode}, not {code}: {text}")
    check(text.startswith("clkv-replay: "), f"{what}: the message has no name: {text!r}")
    check(not done.stdout, f"{what}: something was printed: {done.stdout!r}")
    for word in words:
        check(word in text, f"{what}: no {word!r} in {text!r}")


def record(length, answer, ids):
    return {"timestamp": 0, "input_length": length, "output_length": answer, "hash_ids": ids}


def lines(records):
    return "".join(json.dumps(r) + "\n" for r in records)


def chat(seed, requests, chunks=6):
    """A small trace: a tree of prefixes, walked at random; some prompts end in the middle of a chunk."""
    rng, children, count, out = random.Random(seed), {}, 0, []
    for _ in range(requests):
        at, ids = (), []
        for _ in range(rng.randint(1, chunks)):
            known = children.setdefault(at, [])
            if not known or rng.random() < 0.3:
                known.append(count)
                count += 1
            ids.append(rng.choice(known))
            at += (ids[-1],)
        length = 512 * len(ids)
        if rng.random() < 0.7:  # a partial chunk has an id of its own
            ids[-1], count = count, count + 1
            length -= rng.randint(0, 511)
        out.append(record(length, rng.randint(1, 40), ids))
    return out


def outgrowing(requests):
    """Short prompts and long answers: many are let in, and outgrow a small pool together."""
    return [record(20 + i % 50, 100 + 7 * i % 300, [i]) for i in range(requests)]


def expected(records, block=16, scale=1):
    """What an endless cache finds when requests come one after the other."""
    chunk = max(512 // scale, 1)
    seen, hits, prompts, answers, steps, peak = set(), 0, 0, 0, 0, 0
    for r in records:
        n = len(r["hash_ids"])
        rest = -(-(r["input_length"] - 512 * (n - 1)) // scale)
        length = chunk * (n - 1) + min(rest, chunk)
        # A prefix is known by the ids that it reaches into, and its length.
        full = [(tuple(r["hash_ids"][: -(-end // chunk)]), end) for end in range(block, length + 1, block)]
        known = 0
        while known < len(full) and full[known] in seen and (known + 1) * block < length:
            known += 1
        seen.update(full)
        answer = -(-r["output_length"] // scale)
        hits += known * block
        prompts += length
        answers += answer
        steps += max(answer, 1)  # with a chunk as long as any prompt
        peak = max(peak, -(-(length + max(answer, 1) - 1) // block))
    return {"requests": len(records), "prompt_tokens": prompts, "prefix_hit_tokens": hits,
            "generated_tokens": answers, "steps": steps, "peak_used_blocks": peak}


def same(figures, wanted, what):
    for key, value in wanted.items():
        check(figures[key] == value, f"{what}: {key} is {figures[key]}, not {value}")


def test_input():
    good = lines([record(600, 3, [0, 1])])
    azure = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    path = write("good", good)
    refused("no operand", [], "TRACE")
    refused("two operands", [path, path], path)
    refused("unknown option", ["--nonsense", path], "--nonsense")
    refused("missing argument", [path, "--blocks"], "--blocks")
    for option, value in (("--blocks", "-1"), ("--blocks", "many"), ("--block-size", "0"), ("--block-size", "512"),
                          ("--block-size", "12"), ("--concurrency", "0"), ("--concurrency", "70000"),
                          ("--scale", "0"), ("--memory", "1X"), ("--attention", "maybe"), ("--head-dim", "0"),
                          ("--heads", "99999999999"), ("--kv", "f64"), ("--chunk", "0")):
        refused(f"{option} {value}", [option, value, path], option, value)
    refused("two sizes", ["--blocks", 5, "--memory", "1G", path], "--memory")
    refused("less memory than a block", ["--memory", 1, path], "--memory")
    refused("more memory than ids", ["--memory", "999999T", path], "--memory")
    refused("check without attention", ["--check", path], "--attention")
    refused("heads no multiple", ["--heads", 5, "--kv-heads", 2, path], "--heads")

    refused("missing file", [os.path.join(WORK.name, "none")], "none", "No such file")
    refused("a folder", [WORK.name], "directory")
    for what, content, *words in (
            ("empty", "", "empty"), ("blank lines", "\n\n", "empty"),
            ("neither format", "hello\n", ":1:", "neither"),
            ("half a line", good + good[:40], ":2:", "not valid JSON"),
            ("two objects in a line", good.strip() + good, ":1:", "not valid JSON"),
            ("no object", good + "[1]\n", ":2:", "not a JSON object"),
            ("no length", '{"hash_ids": []}\n', ":1:", "input_length"),
            ("no ids", '{"input_length": 5, "output_length": 5}\n', ":1:", "hash_ids"),
            ("ids no array", '{"input_length": 5, "output_length": 5, "hash_ids": 7}\n', ":1:", "hash_ids"),
            ("negative length", good.replace("600", "-600"), ":1:", "input_length"),
            ("negative answer", good.replace(" 3,", " -3,"), ":1:", "output_length"),
            ("length 0", lines([record(0, 1, [])]), ":1:", "input_length"),
            ("fraction", good.replace("600", "600.5"), ":1:", "input_length"),
            ("huge length", good.replace("600", "1e300"), ":1:", "input_length"),
            ("text for a length", good.replace("600", '"600"'), ":1:", "input_length"),
            ("too few ids", good.replace("600", "1025"), ":1:", "2 hash_ids", "makes 3"),
            ("too many ids", good.replace("600", "512"), ":1:", "2 hash_ids", "makes 1"),
            ("negative id", good.replace("1]", "-1]"), ":1:", "hash id"),
            ("huge id", good.replace("1]", "4194304]"), ":1:", "hash id"),
            ("a NUL", good + "\0\n", ":2:", "NUL"),
            ("deep nesting", '{"a":' + "[" * 100000 + "\n", ":1:", "not valid JSON"),
            ("CSV without requests", azure, "no requests"),
            ("CSV negative", azure + "a,5,5\r\nb,-5,5\r\n", ":3:", "ContextTokens", "-5"),
            ("CSV no number", azure + "a,5,x\r\n", ":2:", "GeneratedTokens", "x"),
            ("CSV that a terminal would obey", azure + "a,\x1b[2J,5\r\n", ":2:", "ContextTokens '?[2J'"),
            ("CSV huge", azure + "a,99999999999999999999,5\r\n", ":2:", "ContextTokens"),
            ("CSV too few columns", azure + "a,5\r\n", ":2:", "fewer"),
            ("CSV after JSON", good + "a,5,5\n", ":2:", "not valid JSON")):
        refused(what, [write("bad", content)], *words)
        refused(what + ", gzipped", [write("bad.gz", gzip.compress(content.encode()))], *words)
    whole = gzip.compress(lines(chat(1, 200)).encode())
    for n in (3, 12, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        refused(f"gzip cut off after {n} bytes", [write("cut.gz", whole[:n])], "cut off")
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 0xFF
    refused("damaged gzip", [write("damaged.gz", bytes(damaged))], "damaged.gz")
    # A later member is as good as the first: damaged, cut off, or no member at all, it is no end.
    for what, tail, word in (
            ("cut off", whole[: len(whole) // 2], "cut off"), ("begun", whole[:2], "cut off"),
            ("damaged", bytes(damaged), "cannot read on"), ("without its checksum", whole[:-8], "cut off"),
            ("garbage", b"garbage", "no gzip data"), ("one byte", b"x", "cut off"),
            ("zeros", bytes(512), "no gzip data"), ("plain text", good.encode(), "no gzip data"),
            ("of a wrong checksum", whole[:-8] + bytes(8), "incorrect data check"),
            ("of a wrong header", b"\x1f\x8b\x09" + whole[3:], "no gzip data")):
        refused(f"a later member: {what}", [write("later.gz", whole + tail)], "later.gz", word)
        # How a pipe cuts the bytes decides whether the damage shows before or after what was unpacked wrongly is read.
        refused(f"a later member on standard input: {what}", ["-"], word if what != "damaged" else "standard input",
                stdin=whole + tail)
    refused("more tokens than ids", ["-"], "2^31", stdin=(azure + "a,16777216,5\n" * 129).encode())

    done = run("--help")
    check(done.returncode == 0 and b"--concurrency" in done.stdout and not done.stderr, "--help")
    for key in KEYS:
        check(f"\n  {key} ".encode() in done.stdout, f"--help does not explain {key}")
    if POSIX:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([*TOOL, path], stdout=full, stderr=subprocess.PIPE, timeout=60)
            check(done.returncode == 1 and b"write" in done.stderr, "a full disk goes unnoticed")


def odd_rows():
    """Rows that are no requests are left out and counted, unless there is nothing else."""
    json_rows = [record(600, 3, [0, 1]), record(0, 3, []), record(512, 1, [0]), record(0, 3, [7]),
                 record(16777217, 3, [0]), record(5, 1e300, [0]), record(None, 1, [0]), record(5, None, [0])]
    csv_rows = ["a,5,5", "a,0,5", "a,7,0", "a,,5", "a,5,", "a,16777217,5", "a,5,99999999999999999999"]
    head = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    for name, content, skipped, line, key, wanted in (
            ("odd.jsonl", lines(json_rows), 6, 2, "input_length is 0", (2, 1112, 4)),
            ("odd.csv", head + "\n".join(csv_rows), 5, 3, "ContextTokens is 0", (2, 12, 5))):
        for path in (write(name, content), write(name + ".gz", gzip.compress(content.encode()))):
            done = run("--json", path)
            said = done.stderr.decode()
            figures = json.loads(done.stdout)
            same(figures, {"skipped_rows": skipped, "requests": wanted[0], "prompt_tokens": wanted[1],
                           "generated_tokens": wanted[2], "rejected": 0}, name)
            check(done.returncode == 0 and said.count("\n") == 1, f"{name}: exit {done.returncode}: {said!r}")
            for word in (f"{skipped} rows skipped", f"line {line}", key, path):
                check(word in said, f"{name}: no {word!r} in {said!r}")
            table = run(path).stdout.decode().split()
            check(table[table.index("skipped_rows") + 1] == str(skipped), f"{name}: the table has {table}")
            check(json.loads(run("--json", "--limit", 2, path).stdout)["requests"] == 2, f"{name}: --limit")
    said = run("--json", write("one", lines(json_rows[:2]))).stderr
    check(b" 1 row skipped; " in said, f"one odd row: {said!r}")
    figures = replay(write("fine", lines(json_rows[:1])))
    same(figures, {"skipped_rows": 0}, "no odd rows")
    good, odd = lines(json_rows[:1]), lines(json_rows[1:2])
    refused("only odd rows", [write("bad", odd * 3)], "bad:1:", "input_length is 0")
    refused("only odd rows, CSV", [write("bad", head + "a,0,5\n")], "bad:2:", "ContextTokens is 0")
    for what, row, word in (
            ("a negative length", '{"input_length": -1, "output_length": 1, "hash_ids": []}', "input_length"),
            ("an odd row without a length", '{"input_length": 0, "hash_ids": []}', "output_length"),
            ("an odd row without ids", '{"input_length": 0, "output_length": 1}', "hash_ids"),
            ("half a row", odd[:20], "not valid JSON")):
        refused(what, [write("bad", good + odd + row)], "bad:3:", word)


def test_host():
    odd_rows()
    tiny = [record(600, 3, [0, 1]), record(600, 1, [0, 1]), record(512, 2, [0]), record(513, 0, [0, 2])]
    path = write("tiny", lines(tiny))
    # By hand: 600 tokens are 37 full blocks and 8 tokens. All 37 of the second are found. Of the 32 of the third
    # the last has to be computed again; of the 513 tokens of the fourth the first 512 are found.
    figures = replay(path, "--concurrency", 1)
    same(figures, {"requests": 4, "prompt_tokens": 2225, "prefix_hit_tokens": 592 + 496 + 512,
                   "generated_tokens": 6, "steps": 3 + 1 + 2 + 1, "evictions": 0, "preemptions": 0, "peak_used_blocks": 38}, "tiny")
    check(figures["uploaded_bytes_per_step"] == 0 and figures["max_abs_error"] is None, "tiny: no device was used")
    # (slots, tokens) of each of the seven steps:
    slots = [(608, t) for t in (600, 601, 602, 600)] + [(512, 512), (528, 513), (528, 513)]
    waste = 100 * sum(s - t for s, t in slots) / sum(s for s, _ in slots)
    check(abs(figures["waste_percent"] - waste) < 1e-9, f"tiny: waste is {figures['waste_percent']}, not {waste}")

    records = chat(2, 300)
    text = lines(records).encode()
    path = write("chat", text)
    for block in (1, 16, 256):
        for scale in (1, 3, 16, 1000):
            figures = replay(path, "--concurrency", 1, "--block-size", block, "--scale", scale, "--chunk", 100000)
            same(figures, expected(records, block, scale), f"block size {block}, scale {scale}")
            check(figures["evictions"] == 0, "an endless pool evicts")
    wanted = expected(records)
    del wanted["steps"], wanted["peak_used_blocks"]
    for chunk in (1, 100, 512):
        same(replay(path, "--concurrency", 1, "--chunk", chunk), wanted, f"chunk {chunk}")
    same(replay(write("chat.gz", gzip.compress(text)), "--concurrency", 1), wanted, "gzipped")
    parts = gzip.compress(text[:5000]) + gzip.compress(text[5000:])
    same(replay(write("parts.gz", parts), "--concurrency", 1), wanted, "gzipped in two parts")
    dos = b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n\r\n").rstrip()
    same(replay(write("dos", dos), "--concurrency", 1), wanted, "other line ends")
    limited = expected(records[:17])
    del limited["steps"]
    same(replay(path, "--concurrency", 1, "--limit", 17), limited, "--limit")
    check(json.loads(run("--json", "--concurrency", 1, "-", stdin=text).stdout)["prefix_hit_tokens"] ==
          wanted["prefix_hit_tokens"], "standard input")

    # Many at once find what they would find one after the other: a prompt waits for what another is computing.
    served = {key: wanted[key] for key in ("requests", "prompt_tokens", "generated_tokens")}
    for chunk in (64, 500, 2048):
        figures = replay(path, "--concurrency", 64, "--chunk", chunk)
        same(figures, {**served, "prefix_hit_tokens": wanted["prefix_hit_tokens"]}, f"concurrency 64, chunk {chunk}")
        check(figures["preemptions"] == figures["rejected"] == 0, "concurrency 64: preemptions in an endless pool")
    at_once()
    # Pools that get tighter: down to what the longest request needs alone.
    least = expected(records)["peak_used_blocks"]
    preempted = 0
    for blocks in (16 * least, 4 * least, 2 * least, least + 1, least):
        for chunk in (64, 2048):
            figures = replay(path, "--concurrency", 64, "--blocks", blocks, "--chunk", chunk)
            same(figures, served, f"{blocks} blocks, chunk {chunk}")
            check(figures["peak_used_blocks"] <= blocks == figures["blocks"], f"{blocks} blocks: peak")
            check(figures["evictions"] > 0, f"{blocks} blocks: no evictions")
            check(figures["preemptions"] or not figures["recomputed_tokens"], f"{blocks} blocks: recomputed")
            # The last token of an answer is not fed back; of a request without an answer nothing is.
            fed = sum(max(r["output_length"] - 1, 0) for r in records)
            same(figures, {"computed_tokens": figures["prompt_tokens"] - figures["prefix_hit_tokens"] + fed +
                           figures["recomputed_tokens"]}, f"{blocks} blocks, chunk {chunk}")
            preempted += figures["preemptions"]
    check(preempted > 0, "no pool was small enough for a preemption")
    growing = outgrowing(200)
    grown = write("growing", lines(growing))
    for blocks in (30, 40, 100):
        figures = replay(grown, "--concurrency", 50, "--blocks", blocks)
        same(figures, {"requests": 200, "generated_tokens": sum(r["output_length"] for r in growing)},
             f"growing, {blocks} blocks")
        check(figures["preemptions"] > 10, f"growing, {blocks} blocks: {figures['preemptions']} preemptions")
        check(figures["recomputed_tokens"] < figures["generated_tokens"], f"growing, {blocks} blocks: thrashing")
    figures = replay(path, "--concurrency", 8, "--blocks", least - 1, code=1)
    check(0 < figures["rejected"] == len(records) - figures["requests"], "rejections are counted")
    # The same in bytes: layers × KV heads × 2 × head_dim × block size × 2 bytes.
    figures = replay(path, "--memory", f"{3 * 1 * 2 * 32 * 16 * 2 * least}", "--layers", 3, "--kv-heads", 1,
                     "--head-dim", 32)
    check(figures["blocks"] == least, f"--memory makes {figures['blocks']} blocks, not {least}")

    rows = [(random.Random(3).randint(1, 900), i % 30) for i in range(100)]
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n" + "".join(f"2023,{a},{b}\r\n" for a, b in rows)
    for name, content in (("azure.csv", text.encode()), ("azure", gzip.compress(text.encode()))):
        figures = replay(write(name, content), "--concurrency", 4)
        same(figures, {"requests": 100, "prompt_tokens": sum(a for a, _ in rows), "prefix_hit_tokens": 0,
                       "generated_tokens": sum(b for _, b in rows)}, name)
    check(run(path).stdout.startswith(b"requests  "), "a table without --json")
    if POSIX:
        stopped()


def at_once():
    """16 prompts with a common prefix of 2,048 tokens compute it once, also in a pool that holds them only because
    they share."""
    common, own, answer, n = 4 * 512, 40, 20, 16
    path = write("at-once", lines([record(common + own, answer, [0, 1, 2, 3, 4 + i]) for i in range(n)]))
    wanted = {"requests": n, "prompt_tokens": n * (common + own), "prefix_hit_tokens": (n - 1) * common,
              "recomputed_tokens": 0, "computed_tokens": common + n * (own + answer - 1), "preemptions": 0}
    steps = set()
    for blocks in (4096, common // 16 + n * 5):
        for chunk in (512, 2048, 100):
            figures = replay(path, "--concurrency", n, "--chunk", chunk, "--blocks", blocks)
            same(figures, wanted, f"at once, chunk {chunk}, {blocks} blocks")
            steps.add((chunk, figures["steps"]))
    check(len(steps) == 3, f"at once: the small pool needs other steps: {steps}")
    # Preempted while others wait: what is lost and found again is counted once.
    figures = replay(path, "--concurrency", n, "--blocks", common // 16 + 8, "--chunk", 100)
    same(figures, {"requests": n, "prefix_hit_tokens": (n - 1) * common}, "at once, a tight pool")
    check(figures["computed_tokens"] == wanted["computed_tokens"] + figures["recomputed_tokens"],
          f"at once, a tight pool: computed {figures['computed_tokens']}, again {figures['recomputed_tokens']}")


def stopped():
    """A signal ends the run; what it has found is printed. It is sent when the line of progress is there."""
    path = write("endless", lines([record(512, 10 ** 6, [i]) for i in range(2000)]))
    for number, json_wanted in ((signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True)):
        code, out, said = programs.stopped([*TOOL, *(["--json"] if json_wanted else []), "--concurrency", "4", "--blocks",
                                            "300000", path], b"running", number)
        name = number.name
        check(code == -number, f"{name}: exit {code}")
        check(b"stopped by " + name.encode() in said, f"{name}: says {said[-200:]!r}")
        if json_wanted:
            figures = json.loads(out)
            same(figures, {"finished": False, "leaked_blocks": 0, "blocks": 300000}, name)
            check(figures["prompt_tokens"] >= 2048 and figures["generated_tokens"] > 0, f"{name}: {figures}")
        else:
            check(out.split()[:2] == [b"finished", b"no"] and b"max_abs_error" in out, f"{name}: {out!r}")


def device_options():
    return ["--attention", "on", "--check", "--scale", "64" if SMALL else "16", "--limit", "10" if SMALL else "60"]


def test_device():
    path = write("chat", lines(chat(4, 60)))
    done = run(*device_options(), path)
    if done.returncode == 3 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
        print("skipped: no OpenCL device:", done.stderr.decode())
        sys.exit(77)
    check(done.returncode == 0, f"defaults: exit {done.returncode}: {done.stderr.decode()}")
    shapes = ([], ["--kv", "f32"], ["--heads", 4, "--kv-heads", 4, "--head-dim", 32, "--layers", 1],
              ["--heads", 8, "--kv-heads", 1, "--head-dim", 128, "--layers", 3, "--block-size", 32],
              ["--heads", 5, "--kv-heads", 1, "--head-dim", 80, "--block-size", 8, "--variant", "portable"],
              ["--concurrency", 1], ["--concurrency", 8, "--chunk", 64],
              ["--concurrency", 16, "--blocks", 60, "--chunk", 64, "--seed", 7])
    for shape in shapes:
        on = replay(path, *device_options(), *shape)
        off = replay(path, *device_options()[3:], *[a for a in shape if a != "--check"])
        for key in KEYS[:11]:
            check(on[key] == off[key], f"{shape}: {key} is {on[key]} with attention and {off[key]} without")
        check(on["checked_rows"] > 0 and 0 <= on["max_abs_error"] <= 1e-5, f"{shape}: error {on['max_abs_error']}")
        check(on["uploaded_bytes_per_step"] > 0 and on["device"], f"{shape}: nothing was uploaded")
    # Preempted and resumed, blocks evicted and used again, and still every row is right.
    figures = replay(write("growing", lines(outgrowing(20))), "--attention", "on", "--check", "--concurrency", 10,
                     "--blocks", 40, *(["--scale", 8, "--block-size", 2] if SMALL else []))
    check(figures["preemptions"] > 0 and figures["max_abs_error"] <= 1e-5, f"preemption: {figures}")
    refused("unknown device", ["--attention", "on", "--device", "no such device", path], "no such device", code=3)
    refused("unknown variant", ["--attention", "on", "--variant", "none", path], "none")
    refused("odd head_dim", ["--attention", "on", "--head-dim", 12, path], "head_dim")
    refused("more than the machine has", ["--attention", "on", "--memory", "64T", path], "blocks")


def test_synthetic():
    maker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "make-trace.py")

    def make(*arguments):
        return subprocess.run([sys.executable, maker, *arguments], capture_output=True, timeout=60)

    text = make("-", "--requests", "400").stdout
    records = [json.loads(line) for line in text.splitlines()]
    check(len(records) == 400, f"{len(records)} requests, not 400")
    check(make("-", "--requests", "400", "--seed", "1").stdout == text, "the same seed makes another trace")
    check(make("-", "--requests", "400", "--seed", "2").stdout != text, "another seed makes the same trace")
    parents = {}
    for r in records:
        for parent, child in zip([None] + r["hash_ids"], r["hash_ids"]):
            check(parents.setdefault(child, parent) == parent, f"id {child} has two parents")
    check(all(a["timestamp"] <= b["timestamp"] for a, b in zip(records, records[1:])), "times run backwards")
    path = os.path.join(WORK.name, "synthetic.jsonl.gz")
    check(make(path, "--requests", "400").returncode == 0, "a gzipped trace")
    wanted = expected(records)
    check(0.3 < wanted["prefix_hit_tokens"] / wanted["prompt_tokens"] < 0.9, "hit rate of a chat trace")
    same(replay(path, "--concurrency", 1, "--chunk", 200000), wanted, "synthetic")
    check(make(os.path.join(WORK.name, "none", "x")).returncode != 0, "a folder that is not there")
    check(make("-", "--requests", "0").returncode == 2, "no requests")


def test_real():
    mooncake = os.path.join(DATA, "traces", "mooncake_conversation.jsonl.gz")
    azure = os.path.join(DATA, "traces", "azure_conv.csv.gz")
    if not os.path.exists(mooncake) or not os.path.exists(azure):
        print("skipped: no real traces in", DATA)
        sys.exit(77)
    figures = replay(mooncake, "--concurrency", 1, "--blocks", 0, "--block-size", 16)
    same(figures, {"requests": 12031, "prompt_tokens": 144793823, "prefix_hit_tokens": 54097440,
                   "generated_tokens": 4122048, "evictions": 0, "preemptions": 0}, "Mooncake")
    figures = replay(mooncake, "--scale", 8, "--concurrency", 64, "--blocks", 6000)
    check(figures["requests"] == 12031 and figures["evictions"] > 0, "Mooncake in a small pool")
    figures = replay(azure, "--concurrency", 64, "--blocks", 4096)
    with gzip.open(azure, "rt") as f:
        rows = [line.split(",") for line in f.read().splitlines()[1:]]
    check(figures["requests"] == 19366 and figures["prefix_hit_tokens"] == 0, "Azure: requests")
    check(figures["prompt_tokens"] == sum(int(r[-2]) for r in rows), "Azure: prompt tokens")
    check(figures["generated_tokens"] == sum(int(r[-1]) for r in rows), "Azure: generated tokens")


{name: value for name, value in globals().items() if name.startswith("test_")}["test_" + PART]()
print(f"{PART}: {len(failures)} failures")
sys.exit(1 if failures else 0)
