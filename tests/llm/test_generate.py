#!/usr/bin/env python3
"""test_generate.py TOOL PART [DATA]: clkv-generate as a program. PART is one of
   refused   what it refuses, with which message and exit code (needs no device)
   inputs    prompts as they come: odd files, odd bytes, too long
   random    a random model: what must hold whatever the weights say
   f32, f16  greedy ids and text of the real checkpoint in DATA, served in every way, with K and V of that type
   sampled   the text that was published with it
   gguf      the same from GGUF files made of that checkpoint (needs the gguf package)
   chat      --interactive on the real checkpoint
   stopped   what is printed when a step fails or a signal comes; DATA is the failing driver (tests/fault/layer.c)
Exit status 77 where there is no OpenCL device, no DATA, no gguf package."""
# SPDX-License-Identifier: Apache-2.0
import ast
import fcntl
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import command  # noqa: E402  (its folder is known only now)

TOOL, PART = command.command(sys.argv[1]), sys.argv[2]
DATA = sys.argv[3] if len(sys.argv) > 3 else ""
SMALL = os.environ.get("CLKV_TEST_GRID", "full") != "full"  # the device is slow
MODEL, VOCABULARY = os.path.join(DATA, "model", "stories260K.bin"), os.path.join(DATA, "model", "tok512.bin")
WORK = tempfile.TemporaryDirectory()
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what, flush=True)


def run(*arguments, stdin=None):
    return subprocess.run([*TOOL, *map(str, arguments)], capture_output=True, input=stdin, timeout=600)


def skip(reason):
    print("skipped:", reason)
    sys.exit(77)


def generate(*arguments):
    """The figures of a run that must succeed."""
    done = run("--json", *arguments)
    if done.returncode == 3 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
        skip("no OpenCL device: " + done.stderr.decode())
    if done.returncode:
        sys.exit(f"FAILED: {arguments}: exit {done.returncode}: {done.stderr.decode()}")
    # An OpenCL compiler may say something; we do not.
    check(b"tokens/s" not in done.stderr, f"{arguments}: progress where there is no terminal: {done.stderr!r}")
    return json.loads(done.stdout)


def same(found, wanted, what):
    if found == wanted:
        return
    at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), len(wanted)))
    check(False, f"{what}: differs at {at} ({len(found)} and {len(wanted)}): {found[at:at + 5]!r}, not "
                 f"{wanted[at:at + 5]!r}")


def idle(figures, what):
    """Nothing is left behind: every block is free or cached, every sequence gone."""
    cache = figures["cache"]
    check(cache["blocks_used"] == cache["sequences"] == 0, f"{what}: leaked {cache}")


# ---- refused ----

def refused(what, arguments, *words, code=2):
    done = run(*arguments)
    text = done.stderr.decode()
    check(done.returncode == code, f"{what}: exit {done.returncode}, not {code}: {text}")
    check(text.startswith("clkv-generate: ") and text.count("\n") == 1, f"{what}: the message is {text!r}")
    check(not done.stdout, f"{what}: something was printed: {done.stdout!r}")
    for word in words:
        check(word in text, f"{what}: no {word!r} in {text!r}")


def random_model(shape="1M", *arguments):
    path = os.path.join(WORK.name, f"random-{shape}.gguf")
    done = run("--make-random", shape, *arguments, path)
    check(done.returncode == 0, f"--make-random {shape}: {done.stderr.decode()}")
    return path


def test_refused():
    model = random_model()
    check(run("--help").stdout.startswith(b"Usage: clkv-generate "), "--help")
    refused("no model", [], "--model")
    refused("a file that is not there", ["--model", "nowhere"], "nowhere")
    garbage = os.path.join(WORK.name, "garbage")
    with open(garbage, "wb") as f:
        f.write(b"garbage" * 1000)
    refused("a file that is no model", ["--model", garbage], "garbage")
    with open(model, "rb") as f:
        start = f.read(100000)
    with open(garbage, "wb") as f:
        f.write(start)
    refused("a truncated model", ["--model", garbage], "garbage")
    given = ["--model", model]
    refused("no such shape", ["--make-random", "9Z", garbage], "9Z", "1M")
    refused("no file to make", ["--make-random", "1M"], "FILE")
    refused("a file that cannot be made", ["--make-random", "1M", os.path.join(WORK.name, "none", "x")], "none")
    refused("an operand", given + ["text"], "text")
    refused("an odd block size", given + ["--block-size", "12"], "--block-size", "12")
    refused("both sizes", given + ["--blocks", "4", "--memory", "1M"], "--memory")
    empty = os.path.join(WORK.name, "empty")
    with open(empty, "wb"):
        pass
    refused("an empty model", ["--model", empty], "empty")
    refused("a folder as a model", ["--model", WORK.name], WORK.name)
    refused("no name of a model", ["--model", ""], "--model")
    refused("an empty prompt file", given + ["--prompt-file", empty], "--prompt-file", "empty")
    refused("a prompt file that is no text", given + ["--prompt-file", model], "--prompt-file", "0 byte")
    refused("a folder of prompts", given + ["--prompts", WORK.name], WORK.name)
    refused("no samples", given + ["--samples", "0"], "--samples")
    refused("too many samples", given + ["--samples", "4000", "--draft", "8"], "--samples", "--draft")
    refused("a chat with a prompt file", given + ["--interactive", "--prompt-file", "x"], "--interactive")
    refused("no such prompts", given + ["--prompts", "nowhere"], "nowhere")
    refused("no prompts", given + ["--prompts", os.devnull], "empty")
    refused("prompts that are no text", given + ["--prompts", model], "--prompts", "0 byte")
    refused("no tokenizer of that name", given + ["--tokenizer", "nowhere"], "nowhere")
    refused("a negative temperature", given + ["--temperature", "-1"], "--temperature")
    for odd in ("1.5", "-0.5", "nan", "-nan", "inf", "1e999", ""):
        for option in ("--top-p", "--min-p"):
            refused(f"{option} {odd}", given + [f"{option}={odd}"], option, f"'{odd}'", "from 0 to 1")
    refused("no steps", given + ["--steps", "0"], "--steps")
    refused("a chat with prompts", given + ["--interactive", "--prompt", "x"], "--interactive")
    refused("a chat as JSON", given + ["--interactive", "--json"], "--json")
    refused("a stream as JSON", given + ["--stream", "--json"], "--stream")
    if run("--json", *given, "--steps", 1).returncode == 3:
        return
    refused("unknown device", given + ["--device", "no such device"], "no such device", code=3)
    refused("unknown variant", given + ["--variant", "none"], "none")
    refused("a pool too small", given + ["--blocks", "4", "--block-size", "8", "--steps", "33"], "5 blocks", "4")
    refused("a pool of less than a block", given + ["--memory", "10"], "10 bytes")
    refused("more than the machine has", given + ["--memory", "64T"], "memory")
    with open("/dev/full", "wb") as full:
        for arguments in ([], ["--json"], ["--stream"], ["--interactive"], ["--help"]):
            done = subprocess.run([*TOOL, *given, "--steps", "20", *arguments], stdout=full, stderr=subprocess.PIPE,
                                  input=b"a\n")
            check(done.returncode == 1 and b"write" in done.stderr, f"a full disk goes unnoticed: {arguments}")


# ---- texts that are not quite what was expected ----

def with_window(model, window):
    """A copy of a GGUF file with one more key; a second one pads it, so that tensors keep their alignment."""
    with open(model, "rb") as f:
        data = f.read()
    name, pad = b"llama.attention.sliding_window", b"pad"
    keys = struct.pack("<Q", len(name)) + name + struct.pack("<II", 4, window)
    n = -(len(keys) + 8 + len(pad) + 4 + 8) % 32
    keys += struct.pack("<Q", len(pad)) + pad + struct.pack("<IQ", 8, n) + b"x" * n
    path = os.path.join(WORK.name, "window.gguf")
    with open(path, "wb") as f:
        f.write(data[:16] + struct.pack("<Q", struct.unpack_from("<Q", data, 16)[0] + 2) + keys + data[24:])
    return path


def noted(arguments, *words):
    """The figures of a run that succeeds with one line on stderr."""
    done = run("--json", *arguments)
    text = done.stderr.decode()
    check(done.returncode == 0 and "clkv-generate: " in text, f"{arguments}: exit {done.returncode}: {text!r}")
    for word in words:
        check(word in text, f"{arguments}: no {word!r} in {text!r}")
    return json.loads(done.stdout)


def write_prompts(name, data):
    path = os.path.join(WORK.name, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def test_inputs():
    model = random_model()
    given = ["--model", model, "--ignore-end"]
    # Lines may end as on Windows, be empty, begin with a mark, and the last one may have no end.
    lines = write_prompts("lines", b"\xef\xbb\xbfone\r\n\r\n\n  \ntwo")
    figures = generate(*given, "--steps", 3, "--prompts", lines)
    same([p["prompt"] for p in figures["prompts"]], ["one", "", "", "  ", "two"], "lines of --prompts")
    whole = write_prompts("whole", b"one\ntwo\r\n")
    figures = generate(*given, "--steps", 3, "--prompt", "a", "--prompt-file", whole, "--prompts", lines,
                       "--prompt-file", lines)
    same([p["prompt"] for p in figures["prompts"]][:3], ["a", "one\ntwo", "one\r\n\r\n\n  \ntwo"], "--prompt-file")
    check(len(figures["prompts"]) == 8, "the order of prompts")
    check(run(*given, "--steps", 9, "--prompt-file", "-", stdin=b"one\ntwo\n").stdout ==
          run(*given, "--steps", 9, "--prompt", "one\ntwo").stdout != b"", "a prompt from standard input")

    # What JSON cannot hold as it is; bytes that are no UTF-8 are all the model's to read.
    odd = b'"\\\t\x01 \xff\xc3\xa9'
    figures = generate(*given, "--steps", 40, "--prompts", write_prompts("odd", odd))
    same(figures["prompts"][0]["prompt"], '"\\\t\x01 ?\xe9', "a prompt as JSON")
    check(run(*given, "--steps", 40, "--prompts", os.path.join(WORK.name, "odd")).stdout.lstrip().startswith(odd),
          "a prompt as text")

    # A generated 0 byte ends no text.
    hot = [*given, "--temperature", 1000, "--seed", 3, "--steps", 2000, "--samples", 4]
    texts = [s["text"] for s in generate(*hot)["prompts"][0]["samples"]]
    check(any("\0" in t[:-1] for t in texts), "no 0 byte was generated: this tests nothing")
    plain = run(*hot).stdout.decode("utf-8", "surrogateescape")
    want = "".join("?" if "\udc80" <= c <= "\udcff" else c for c in plain)
    same("\n".join(f"== prompt 1, sample {i + 1} ==\n{t}\n" for i, t in enumerate(texts)), want, "0 bytes")
    check(run(*hot, "--stream").stdout.decode("utf-8", "surrogateescape") == plain, "0 bytes with --stream")

    # Prompts that do not fit are cut, and that is said.
    long = write_prompts("long", b"word " * 3000 + b"\nshort\n" + b"word " * 3000)
    figures = noted([*given, "--steps", 4000, "--prompts", long], "2 prompts", "prompt 1", "2048", "context")
    check([p["prompt_tokens"] for p in figures["prompts"]][::2] == [2049] * 2 and
          figures["prompts"][0]["cut_tokens"] > 9000 and figures["prompts"][1]["cut_tokens"] == 0, "cut prompts")
    noted([*given, "--steps", 5, "--prompt", "word " * 100], "prompt 1 has", "6:", "--steps")

    # A window is a limit until attention slides it.
    narrow = ["--model", with_window(model, 48), "--ignore-end"]
    figures = noted([*narrow, "--steps", 49], "48", "window")
    check(len(figures["prompts"][0]["ids"]) == 49 and figures["prompts"][0]["finish"] == "context", "a window")
    wide = generate(*given, "--steps", 48)
    same(generate(*narrow, "--steps", 48)["prompts"][0]["ids"], wide["prompts"][0]["ids"], "within the window")

    # A reader that goes away ends the program, and at once.
    with subprocess.Popen([*TOOL, *map(str, given), "--steps", "2000", "--stream"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as reader:
        reader.stdout.close()
        reader.wait(timeout=60)
        check(reader.returncode in (-signal.SIGPIPE, 1), f"a closed pipe: exit {reader.returncode}")


# ---- random ----

def default_pool(model, prompts):
    """Without --blocks and --memory: what the run can use, in steps of 16 blocks."""
    def pool(wanted, *arguments):
        figures = generate("--model", model, "--ignore-end", *arguments)
        check(figures["preemptions"] == 0, f"{arguments}: preemptions in the default pool")
        found = figures["cache"]["blocks_total"]
        check(found == wanted, f"{arguments}: {found} blocks, not {wanted}")
    pool(16, "--steps", 40)  # a text of 3 blocks, and one that the scheduler wants free
    pool(32, "--steps", 40, *prompts)  # 6 such texts
    pool(64, "--steps", 400, "--concurrency", 2, *prompts)  # 2 texts of 26 blocks, and 6 prompts of one
    pool(128, "--steps", 40, "--block-size", 1, "--samples", 3)  # 3 texts of 41 blocks of one token


def ids_of(figures):
    return [p["ids"] for p in figures["prompts"]]


def test_random():
    model = random_model()
    given = ["--model", model, "--steps", 40, "--ignore-end"]
    prompts = list(itertools.chain.from_iterable(("--prompt", f"Alpha beta gamma {i}") for i in range(6)))
    sampled = ["--temperature", 1, "--top-p", "0.95", "--seed", 7]
    one = generate(*given, *prompts, *sampled)
    for p in one["prompts"]:
        check(len(p["ids"]) == 41 and p["generated_tokens"] == 41 - p["prompt_tokens"], f"{p['prompt']}: length")
        check(p["finish"] == "steps" and p["time_to_first_token_s"] > 0 and p["tokens_per_s"] > 0, p["prompt"])
    check(one["generated_tokens"] == sum(p["generated_tokens"] for p in one["prompts"]), "totals")
    idle(one, "random")
    same(ids_of(generate(*given, *prompts, *sampled)), ids_of(one), "the same seed makes other texts")
    check(ids_of(generate(*given, *prompts, *sampled[:-1], 8)) != ids_of(one), "another seed makes the same text")

    # Samples: the first is the text without --samples, others differ, and all share the prompt's blocks.
    many = generate(*given, *prompts, *sampled, "--samples", 4, "--concurrency", 8)
    for alone, p in zip(one["prompts"], many["prompts"]):
        samples = [s["ids"] for s in p["samples"]]
        same(samples[0], alone["ids"], "the first sample")
        check(len({tuple(s) for s in samples}) == 4, "samples are equal")
        check(all(s[:p["prompt_tokens"]] == alone["ids"][:p["prompt_tokens"]] for s in samples), "samples' prompt")
    check(many["cache"]["copies_on_write"] > 0, "samples did not share their prompt's last block")
    idle(many, "samples")
    greedy = generate(*given, *prompts[:2], "--samples", 3)
    check(len({tuple(s["ids"]) for s in greedy["prompts"][0]["samples"]}) == 1, "greedy samples differ")
    tight = generate(*given, *prompts, *sampled, "--samples", 4, "--concurrency", 8, "--blocks", 8,
                     "--block-size", 8)
    check(tight["preemptions"] > 0, "samples in a small pool: no preemption")
    for p, wanted in zip(tight["prompts"], many["prompts"]):
        same([s["ids"] for s in p["samples"]], [s["ids"] for s in wanted["samples"]], "samples in a small pool")
    idle(tight, "samples in a small pool")

    # A prefix that several prompts share is computed once, also when they arrive together.
    shared = " ".join(f"word{i}" for i in range(60))
    path = os.path.join(WORK.name, "prompts")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(f"{shared} {i}\n" for i in range(5))
    figures = generate("--model", model, "--steps", 700, "--prompts", path, "--ignore-end", "--chunk", 64)
    prompt = figures["prompts"][0]["prompt_tokens"]
    check(figures["prompts"][0]["reused_tokens"] == 0, "the first prompt found something")
    check(all(p["reused_tokens"] > prompt - 32 for p in figures["prompts"][1:]), "prompts were computed twice")

    default_pool(model, prompts)
    check(run(*given, *prompts[:2], "--temperature", 2, "--top-p", 0).stdout == run(*given, *prompts[:2]).stdout,
          "--top-p 0 is not greedy")

    # Lengths: the text is never longer than asked for, and the prompt counts.
    for steps in (1, 2, 5, prompt - 1, prompt, prompt + 1):
        figures = generate("--model", model, "--prompts", path, "--steps", steps, "--ignore-end")
        for p in figures["prompts"]:
            check(len(p["ids"]) == steps + 1 and p["prompt_tokens"] == min(prompt, steps + 1),
                  f"{steps} steps: {len(p['ids'])} ids, {p['prompt_tokens']} of the prompt")
    figures = generate("--model", model, "--steps", 100000, "--ignore-end", "--chunk", 4000)
    check(len(figures["prompts"][0]["ids"]) == 2049 and figures["prompts"][0]["finish"] == "context", "the context")

    # What is printed is the same with and without --stream, and says what the JSON says.
    for extra in ([], ["--samples", 2]):
        plain = run(*given, *prompts, *sampled, *extra)
        stream = run(*given, *prompts, *sampled, *extra, "--stream", "--concurrency", 2)
        check(plain.stdout == stream.stdout and plain.returncode == 0, "--stream prints something else")
    times = generate(*given, *prompts, "--profile")["device_s"]
    check(times["attention"] > 0 and times["projections"] > 0 and times["other"] > 0, f"--profile: {times}")


# ---- stopped before the end ----

def stopped_run(arguments, **fault):
    """A run under the failing driver, and how many kernels it enqueued; None where no driver was put under it."""
    report = os.path.join(WORK.name, "report")
    env = dict(os.environ, OPENCL_LAYERS=DATA, CLKV_FAULT_REPORT=report, CLKV_FAULT_CALL="clEnqueueNDRangeKernel")
    env.update({f"CLKV_FAULT_{k.upper()}": str(int(v)) for k, v in fault.items()})
    if os.path.exists(report):
        os.remove(report)
    done = subprocess.run([*TOOL, *map(str, arguments)], capture_output=True, env=env, timeout=600)
    if not os.path.exists(report):
        return done, None
    with open(report, encoding="ascii") as f:
        return done, int(dict(line.split() for line in f)["calls"])


def check_stopped(done, truth, code, reason, what):
    """JSON of a run that ended early: complete, and true."""
    figures = json.loads(done.stdout)
    said = done.stderr.decode()
    check(done.returncode == code, f"{what}: exit {done.returncode}, not {code}: {said}")
    check(said.startswith("clkv-generate: ") and said.count("\n") == 1 and reason in said, f"{what}: says {said!r}")
    check(figures["finished"] is False and reason in figures["reason"], f"{what}: {figures['reason']}")
    samples = [(s, w) for p, t in zip(figures["prompts"], truth["prompts"])
               for s, w in zip(p["samples"], t["samples"])]
    finished = sum(s["finished"] for s, _ in samples)
    begun = sum(s["generated_tokens"] > 0 for s, _ in samples)
    check(len(samples) == 12 and 0 < finished < begun < 12, f"{what}: {finished} finished, {begun} begun")
    count = f"{finished} finished, {begun - finished} not finished, {12 - begun} not begun"
    check(count in said, f"{what}: {said}")
    for sample, whole in samples:
        if sample["finished"]:
            same(sample["ids"], whole["ids"], what)
            check(sample["finish"] == "steps" and sample["reason"] is None, f"{what}: {sample}")
        else:
            same(sample["ids"], whole["ids"][:len(sample["ids"])], what)
            check(sample["finish"] is None and reason in sample["reason"], f"{what}: {sample}")
    return finished, begun


def test_stopped():
    model = random_model()
    prompts = list(itertools.chain.from_iterable(("--prompt", f"Alpha beta gamma {i}") for i in range(6)))
    given = ["--model", model, "--steps", 60, "--ignore-end", "--temperature", 1, "--samples", 2,
             "--concurrency", 2, *prompts]
    truth = generate(*given)
    check(truth["finished"] is True and truth["reason"] is None, "a run to the end")
    plain, calls = stopped_run(given)
    if calls is None:
        skip("the loader takes no layers")
    check(plain.returncode == 0, f"undisturbed: {plain.stderr.decode()}")
    half = calls * 6 // 10
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): # who runs this test may have them ignored
        signal.signal(number, signal.SIG_DFL)
    stops = [({"at": half, "code": -5}, 1, "(-5)")]
    stops += [({"at": half, "signal": s}, -s, f"stopped by {s.name}")
              for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    for fault, code, reason in stops:
        done, _ = stopped_run(["--json", *given], **fault)
        finished, begun = check_stopped(done, truth, code, reason, f"{reason}, JSON")
        texts = plain.stdout.split(b"\n== prompt ")
        for how in ([], ["--stream"]):
            done, _ = stopped_run([*given, *how], **fault)
            got = done.stdout.split(b"\n== prompt ")
            check(done.returncode == code, f"{reason} {how}: exit {done.returncode}")
            check(reason.encode() in done.stderr and b"12 texts" in done.stderr, f"{reason} {how}: {done.stderr!r}")
            check(got[:finished] == texts[:finished] and len(got) == begun, f"{reason} {how}: {done.stdout!r}")
            for i in range(finished, begun):
                mark = b"\n== not finished ==\n"
                text = got[i][:-len(mark)]
                check(got[i].endswith(mark) and texts[i].startswith(text), f"{reason} {how}: {got[i]!r}")
    # A second signal, here with the next kernel, ends the program at once.
    done, _ = stopped_run(["--json", *given], **{"from": half}, signal=signal.SIGINT)
    check(done.returncode == -signal.SIGINT and not done.stdout, f"two signals: {done.returncode} {done.stdout!r}")
    # A caller that has signals ignored, as nohup does, wants the run to go on.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    done, _ = stopped_run(["--json", *given], at=half, signal=signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    check(done.returncode == 0 and ids_of(json.loads(done.stdout)) == ids_of(truth),
          f"an ignored signal: {done.returncode} {done.stderr!r}")
    # One text: nothing on stdout but what was generated.
    alone = ["--model", model, "--steps", 60, "--ignore-end", "--prompt", "Alpha"]
    whole, calls = stopped_run(alone)
    done, _ = stopped_run(alone, at=calls * 6 // 10, signal=signal.SIGTERM)
    check(done.returncode == -signal.SIGTERM and done.stderr.endswith(b"SIGTERM; the text is not finished\n"),
          f"one text: {done.returncode} {done.stderr!r}")
    check(whole.stdout.startswith(done.stdout[:-1]) and 5 < len(done.stdout) < len(whole.stdout),
          f"one text: {done.stdout!r} of {whole.stdout!r}")


# ---- golden ----

def golden():
    """[(prompt, its tokens, ids of 200 positions)], ids of 256 positions from nothing, their text."""
    folder = os.path.join(DATA, "golden")
    if not os.path.exists(MODEL) or not os.path.exists(folder):
        skip("no real model in " + DATA)
    prompts = []
    with open(os.path.join(folder, "greedy_prompts.tsv"), encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                fields = line.rstrip("\n").split("\t")
                prompts.append((ast.literal_eval(fields[0]), int(fields[1]), [int(i) for i in fields[2].split()]))
    with open(os.path.join(folder, "greedy_ids.txt"), encoding="utf-8") as f:
        ids = [int(i) for i in f.read().split()]
    with open(os.path.join(folder, "greedy.txt"), encoding="utf-8") as f:
        return prompts, ids, f.read().rstrip("\n")


def serve(prompts, *arguments, model=("--model", MODEL, "--tokenizer", VOCABULARY)):
    """Serves golden prompts together, and holds every text against its ids."""
    texts = list(itertools.chain.from_iterable(("--prompt", p[0]) for p in prompts))
    figures = generate(*model, "--temperature", 0, "--steps", 200, *texts, *arguments)
    for p, wanted in zip(figures["prompts"], prompts):
        same(p["ids"], wanted[2], f"{' '.join(map(str, arguments))}: {wanted[0][:30]!r}")
        check(p["prompt_tokens"] == wanted[1], f"{wanted[0]!r}: {p['prompt_tokens']} tokens")
    check(len(figures["prompts"]) == len(prompts), f"{len(figures['prompts'])} texts")
    idle(figures, str(arguments))
    return figures


def test_kv(kv):
    prompts, ids, text = golden()
    given = ["--model", MODEL, "--tokenizer", VOCABULARY, "--kv", kv]
    figures = generate(*given, "--temperature", 0, "--steps", 256)
    same(figures["prompts"][0]["ids"], ids, "nothing")
    same(figures["prompts"][0]["text"], text, "the text")
    check(figures["kv"] == kv, f"--kv {kv} is {figures['kv']}")
    same(run(*given).stdout.decode(), text + "\n", "as text")
    same(run(*given, "--stream").stdout.decode(), text + "\n", "--stream")
    for p in prompts:
        serve([p], "--kv", kv)
    for variant in ["cpu"] if SMALL else ["cpu", "portable"]:
        for block in (1, 4, 16, 64) if kv == "f32" else (2, 8, 32):
            serve(prompts, "--kv", kv, "--block-size", block, "--variant", variant)

    # Whoever multiplies.
    for gemm in ("own", "clblast"):
        serve(prompts, "--kv", kv, "--gemm", gemm, "--weights", kv)

    # Any order, any chunk, fewer at a time.
    serve(prompts[::-1], "--kv", kv, "--chunk", 3)
    serve(prompts[3:] + prompts[:3], "--kv", kv, "--chunk", 1, "--concurrency", 2)
    # 16 and 24 tokens, the first 16 of them equal; a prompt's last token is always computed.
    figures = serve(prompts[2:4] * 3, "--kv", kv, "--concurrency", 1)
    check([p["reused_tokens"] for p in figures["prompts"]] == [0, 16] * 3,
          "what is found of prompts that come again")

    # Pools in which not all texts fit.
    for blocks, block in ((13, 16), (26, 16), (28, 8), (130, 2)):
        for order in (prompts, prompts[::-1]):
            figures = serve(order, "--kv", kv, "--blocks", blocks, "--block-size", block)
            check(figures["preemptions"] > 1, f"{blocks} blocks of {block}: {figures['preemptions']} preemptions")
            check(figures["cache"]["blocks_total"] == blocks, "--blocks")

    # Guesses: the same text in fewer steps, also when there is little room.
    plain = generate(*given, "--steps", 256)
    for draft in (1, 3, 8):
        figures = generate(*given, "--steps", 256, "--draft", draft)
        same(figures["prompts"][0]["ids"], ids, f"{draft} drafts")
        check(figures["steps"] == plain["steps"] - figures["drafts_accepted"] < plain["steps"], f"{draft} drafts: "
              f"{figures['steps']} steps, {plain['steps']} without; {figures['drafts_accepted']} were right")
        check(figures["drafts_offered"] > figures["drafts_accepted"] > 10, f"{draft} drafts")
        serve(prompts, "--kv", kv, "--draft", draft, "--block-size", 4)
    figures = serve(prompts, "--kv", kv, "--draft", 6, "--blocks", 28, "--block-size", 8)
    check(figures["preemptions"] > 0 and figures["drafts_accepted"] > 0, "drafts in a small pool")


def test_f32():
    test_kv("f32")


def test_f16():
    test_kv("f16")


def test_sampled():
    golden()
    given = ["--model", MODEL, "--tokenizer", VOCABULARY]
    with open(os.path.join(DATA, "golden", "sampled_t1.0_p0.9_s133742.txt"), encoding="utf-8") as f:
        wanted = f.read().rstrip("\n")
    # A coin falls so near an edge that K and V in f16 make another text of it.
    how = [*given, "--kv", "f32", "--temperature", "1.0", "--top-p", "0.9", "--seed", 133742, "--steps", 256]
    for arguments in ([], ["--block-size", 4], ["--draft", 4], ["--samples", 3], ["--samples", 4, "--blocks", 20],
                      ["--prompt", "", "--prompt", "The sun"], ["--variant", "portable"]):
        figures = generate(*how, *arguments)
        same(figures["prompts"][0]["text"], wanted, f"sampled {arguments}")
    same(run(*how).stdout.decode(), wanted + "\n", "sampled, as text")
    how = [a for a in how if a not in ("--kv", "f32")]
    same(generate(*how)["prompts"][0]["text"], wanted, "sampled, K and V as the weights are")
    check(generate(*how, "--weights", "f16")["kv"] == "f16", "f16 weights have f16 K and V")


# ---- GGUF ----

def test_gguf():
    prompts, ids, text = golden()
    folder = os.path.dirname(os.path.abspath(__file__))
    for kind in ("f32", "f16"):
        path = os.path.join(WORK.name, kind + ".gguf")
        maker = [sys.executable, os.path.join(folder, "make_gguf.py")]
        made = subprocess.run([*maker, MODEL, VOCABULARY, path, kind.upper()], capture_output=True, timeout=120)
        if made.returncode == 77:
            skip("no gguf package: " + made.stdout.decode())
        if made.returncode:
            sys.exit(f"FAILED: make_gguf.py {kind}: {made.stderr.decode()}")
        figures = generate("--model", path, "--steps", 256)
        same(figures["prompts"][0]["ids"], ids, f"GGUF, {kind}")
        same(figures["prompts"][0]["text"], text, f"GGUF, {kind}: the text")
        check(figures["weights"] == kind, f"a file of {kind} is {figures['weights']} on the device")
        for kv in ("f32", "f16"):
            serve(prompts, "--kv", kv, model=["--model", path])


# ---- chat ----

def test_chat():
    golden()
    given = ["--model", MODEL, "--tokenizer", VOCABULARY, "--interactive", "--steps", 20]
    turns = ["Once upon a time", "The dog", "", "The cat ran"]
    text = "".join(t + "\n" for t in turns).encode()
    plain = run(*given, stdin=text)
    if plain.returncode == 3 and not os.environ.get("CLKV_TEST_NEED_DEVICE"):
        skip("no OpenCL device: " + plain.stderr.decode())
    check(plain.returncode == 0, f"chat: {plain.stderr.decode()}")
    answers = plain.stdout.decode()
    check(answers.startswith(", there was a little girl named"), f"the first answer: {answers!r}")
    check(run(*given, "--stream", stdin=text).stdout == plain.stdout, "chat: --stream prints something else")
    check(run(*given, "--block-size", 4, "--draft", 4, "--chunk", 2, stdin=text).stdout == plain.stdout,
          "chat: other blocks, drafts and chunks make another text")
    # The first turns do not depend on later ones; a later one depends on those before it.
    first = run(*given, stdin=b"Once upon a time\n").stdout
    check(plain.stdout.startswith(first) and len(first) < len(plain.stdout), "chat: turns")
    check(run(*given, stdin=b"").stdout == b"", "chat: no turns")
    check(run(*given, stdin=b"Once upon a time").stdout == first, "chat: no final line end")
    full = run(*given[:-1], 300, stdin=text)
    check(full.returncode == 1 and b"512" in full.stderr, f"chat: a full context: {full.stderr!r}")
    interrupt()


def interrupt():
    """SIGINT ends an answer, and the chat goes on. A pipe that nobody reads yet holds the answer up."""
    words = [*TOOL, "--model", random_model(), "--interactive", "--stream", "--steps", "1000", "--ignore-end"]
    whole = run(*words[len(TOOL):], stdin=b"a\nb\n")
    check(whole.returncode == 0 and len(whole.stdout) > 8000, f"chat: {len(whole.stdout)} bytes of two answers")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          bufsize=0) as chat:
        fcntl.fcntl(chat.stdout, 1031, 4096)  # F_SETPIPE_SZ
        chat.stdin.write(b"a\n")
        chat.stdin.flush()
        first = chat.stdout.read(1)
        chat.send_signal(signal.SIGINT)
        out, said = chat.communicate(b"b\n", timeout=600)
    check(chat.returncode == 0, f"chat: an interrupt: exit {chat.returncode}: {said.decode()}")
    check(len(first + out) < len(whole.stdout) - 500, f"chat: an interrupt leaves {len(out) + 1} bytes of "
          f"{len(whole.stdout)}")


{name: value for name, value in globals().items() if name.startswith("test_")}["test_" + PART]()
print(f"{PART}: {len(failures)} failures")
sys.exit(1 if failures else 0)
