#!/usr/bin/env python3
# make-trace.py: makes a chat trace in the Mooncake format, for people who do not have the real one.
# SPDX-License-Identifier: Apache-2.0
"""Makes a trace of multi-turn conversations in the Mooncake format: JSON lines with timestamp (ms),
input_length, output_length and hash_ids, one id per 512 tokens of the prompt.

A conversation begins with one of a few system prompts, which many share; each turn's prompt is the turn
before it, its answer, and new text. An id names its whole prefix: a full chunk keeps its id from turn to
turn, the partial chunk at a prompt's end gets one of its own. The lengths are of the order of the real
trace's: prompts of some thousand tokens with a long tail, answers of some hundred. The same options and
seed give the same bytes."""
import argparse
import gzip
import heapq
import json
import random
import sys

CHUNK = 512


class Prefixes:
    """Ids of chunks: the n-th chunk after a given prefix, with a given content, has one id."""

    def __init__(self):
        self.count = 0

    def new(self, n):
        first = self.count
        self.count += n
        return list(range(first, first + n))


class Conversation:
    def __init__(self, rng, prefixes, system, system_ids, number):
        self.rng, self.prefixes, self.number = rng, prefixes, number
        self.length, self.full = system, list(system_ids)
        self.turns = 1 + min(int(rng.expovariate(0.45)), 40)

    def turn(self):
        """The next turn's (input_length, output_length, hash_ids)."""
        rng = self.rng
        self.length += length(rng, 7.2, 1.3, 8, 60000)
        self.full += self.prefixes.new(self.length // CHUNK - len(self.full))
        partial = self.prefixes.new(1) if self.length % CHUNK else []
        asked, answer = self.length, length(rng, 5.6, 0.8, 1, 2000)
        self.length += answer
        self.turns -= 1
        return asked, answer, self.full + partial


def length(rng, mean, deviation, low, high):
    """A log-normal length."""
    return max(low, min(high, round(rng.lognormvariate(mean, deviation))))


def make(requests, seed, minutes):
    """Yields the records, in order of time."""
    rng = random.Random(seed)
    prefixes = Prefixes()
    # Few system prompts, the first much more frequent than the last; only full chunks are shared.
    systems = [length(rng, 7.0, 0.8, 300, 6000) for _ in range(12)]
    system_ids = [prefixes.new(n // CHUNK) for n in systems]
    weights = [1 / (i + 1) for i in range(len(systems))]
    gap = minutes * 60000 / requests
    waiting, started, clock = [], 0, 0.0
    for _ in range(requests):
        clock += rng.expovariate(1) * gap
        if waiting and waiting[0][0] <= clock:
            conversation = heapq.heappop(waiting)[2]
        else:
            system = rng.choices(range(len(systems)), weights)[0]
            conversation = Conversation(rng, prefixes, systems[system], system_ids[system], started)
            started += 1
        asked, answer, ids = conversation.turn()
        yield {"timestamp": int(clock), "input_length": asked, "output_length": answer, "hash_ids": ids}
        if conversation.turns and conversation.length < 120000:
            pause = answer * 25 + rng.expovariate(1) * 60000
            heapq.heappush(waiting, (clock + pause, conversation.number, conversation))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="file to write; gzipped when it ends in .gz; - for standard output")
    parser.add_argument("--requests", type=int, default=12000, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(default %(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="time they are spread over (default %(default)s)")
    arguments = parser.parse_args()
    if arguments.requests < 1 or not arguments.minutes > 0:
        parser.error("--requests and --minutes must be positive")
    text = "".join(json.dumps(r) + "\n" for r in make(arguments.requests, arguments.seed, arguments.minutes))
    if arguments.output == "-":
        sys.stdout.write(text)
    elif arguments.output.endswith(".gz"):
        with open(arguments.output, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
            out.write(text.encode())
    else:
        with open(arguments.output, "w", encoding="ascii") as out:
            out.write(text)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"make-trace.py: {error}")
