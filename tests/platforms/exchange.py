"""exchange.py: files that the programs of one system write are read by those of the others, and figures are the same.

- An entry of the program cache is read everywhere; one whose key has the system in it is found there only.
- Random models have the same bytes, and each reader gets the same weights from them. A big-endian system refuses them.
- clkv-replay finds the same figures in a trace, gzipped or not.

build.py calls compare() with the systems whose programs run here. SPDX-License-Identifier: Apache-2.0
"""
import dataclasses
import gzip
import json
import pathlib
import shutil
import subprocess
import sys

MAKE_TRACE = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "make-trace.py"
OF_THE_RUN = ("seconds", "tokens_per_s")  # figures that differ from run to run
BIG_ENDIAN = b"this machine is big-endian"


@dataclasses.dataclass
class System:
    """A target whose programs are in `folder` and run with these first words and variables."""
    name: str
    folder: pathlib.Path
    wrapper: list
    env: dict

    def run(self, program, *words):
        path = next(path for path in (self.folder / program, self.folder / (program + ".exe")) if path.exists())
        return subprocess.run([*self.wrapper, path, *map(self.called, words)], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=300, check=False)

    def called(self, word):
        """The name that the system has for a path of this machine."""
        if isinstance(word, pathlib.Path) and "wine" in " ".join(self.wrapper):
            return "Z:" + str(word).replace("/", "\\")
        return str(word)


def said(done):
    return "exit %d: %s" % (done.returncode, (done.stderr or done.stdout).decode(errors="replace").strip()[-300:])


def cache_faults(systems, work):
    machine = {}
    for writer in systems:
        done = writer.run("tests/platforms/exchange", "write", work / writer.name / "cache")
        if done.returncode:
            yield "%s cannot write an entry of the program cache: %s" % (writer.name, said(done))
    for reader in systems:
        done = reader.run("tests/platforms/exchange", "read", work / reader.name / "cache")
        machine[reader.name] = done.stdout.decode().split(" ")[0]
    for reader in systems:
        for writer in systems:
            done = reader.run("tests/platforms/exchange", "read", work / writer.name / "cache")
            same = machine[reader.name] == machine[writer.name]
            wanted = "%s any:found own:%s" % (machine[reader.name], "found" if same else "absent")
            if done.returncode or done.stdout.decode().strip() != wanted:
                yield "%s reads the program cache of %s: %r, not %r: %s" % (reader.name, writer.name, done.stdout, wanted,
                                                                            said(done))


def model_faults(systems, work):
    models = {}
    for writer in systems:
        path = work / writer.name / "model.gguf"
        done = writer.run("tools/clkv-generate", "--make-random", "1M", path)
        if path.exists():
            models[writer.name] = path
        elif not done.returncode or BIG_ENDIAN not in done.stderr:
            yield "%s makes no model: %s" % (writer.name, said(done))
    if len({path.read_bytes() for path in models.values()}) != 1:
        yield "random models differ: %s" % ", ".join(models)
    weights = {}
    for reader in systems:
        for path in models.values():
            done = reader.run("tests/llm/llm_dump", path, "1.wq")
            if reader.name in models:
                weights[done.stdout] = "%s of %s: %s" % (reader.name, path.parent.name, said(done))
            elif not done.returncode or BIG_ENDIAN not in done.stderr:
                yield "%s does not refuse the model of %s: %s" % (reader.name, path.parent.name, said(done))
    if len(weights) != 1 or not next(iter(weights)):
        yield "weights differ: %s" % "; ".join(weights.values())


def trace_faults(systems, work):
    plain, packed = work / "trace.jsonl", work / "trace.jsonl.gz"
    subprocess.run([sys.executable, MAKE_TRACE, plain, "--requests", "200"], check=True, stdout=subprocess.DEVNULL)
    with open(plain, "rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    figures = {}
    for system in systems:
        for path in (plain, packed):
            done = system.run("tools/clkv-replay", "--json", "--attention", "off", "--blocks", "20000", path)
            if done.returncode:
                yield "%s: %s: %s" % (system.name, path.name, said(done))
                continue
            found = json.loads(done.stdout)
            text = json.dumps({key: value for key, value in found.items() if key not in OF_THE_RUN})
            figures.setdefault(text, []).append("%s %s" % (system.name, path.name))
    if len(figures) > 1:
        yield "figures of a trace differ: %s" % "; ".join("%s: %s" % (", ".join(names), text)
                                                        for text, names in figures.items())


def compare(systems, work):
    """{what was exchanged: its faults, a line each}."""
    shutil.rmtree(work, ignore_errors=True)
    for system in systems:
        (work / system.name).mkdir(parents=True)
    return {"program cache": list(cache_faults(systems, work)), "models": list(model_faults(systems, work)),
            "traces": list(trace_faults(systems, work))}
