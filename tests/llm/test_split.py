#!/usr/bin/env python3
"""test_split.py LLM_SPLIT: the words into which tokenizer_split.c cuts random texts, against the regular
expressions that the models' authors publish in their tokenizer.json files, run by Python's own engine."""
# SPDX-License-Identifier: Apache-2.0
import os
import random
import re
import subprocess
import sys
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from command import command  # noqa: E402  (its folder is known only now)

CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
GPT2 = CONTRACTIONS + r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (f"(?i:{CONTRACTIONS})" r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# One after the other, each within the words of the one before.
STYLES = {
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "llama-bpe": [LLAMA3],
    "qwen2": [LLAMA3.replace("{1,3}", "")],
    "tekken": [TEKKEN],
}
# Of every category, and all that an expression names; none that Unicode has changed its mind about.
ALPHABET = ("abzABZ09'/!-_.,()$ \t\r\n\v\f\x85\xa0\u2003\u3000\x01\x1c\u200b"
            "éßńÉǄǅǆʰªٱ中あ가АаΩω²½Ⅷ٣५́ः⃝€«»\U0001f642\U0001d400\ufffd")
MORE = ["'s", "'ll", "'RE", "'d", "  ", "\r\n", "Hello", "HTTPServer", "123", "://"]
TEXTS = 4000


def ranges(test):
    """The characters for which test holds, as the inside of brackets."""
    found, start = [], None
    for code in range(sys.maxunicode + 2):
        good = code <= sys.maxunicode and test(chr(code))
        if good and start is None:
            start = code
        if not good and start is not None:
            found.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(found)


def is_space(char):
    """Unicode's White_Space; Python's own \\s has four control characters more."""
    return unicodedata.category(char) in ("Zs", "Zl", "Zp") or char in "\t\n\v\f\r\x85"


SPACE = ranges(is_space)
CATEGORIES = {}


def translated(expression):
    """Python's re knows no \\p{…}."""
    def category(match):
        name = match.group(1)
        if name not in CATEGORIES:
            CATEGORIES[name] = ranges(lambda c: unicodedata.category(c).startswith(name))
        return CATEGORIES[name]

    out = []
    for part in re.split(r"(\[[^\]]*\])", expression):
        if part.startswith("["):
            part = part.replace(r"\s", SPACE)
            out.append(re.sub(r"\\p\{(\w+)\}", category, part))
        else:
            part = part.replace(r"\S", f"[^{SPACE}]").replace(r"\s", f"[{SPACE}]")
            out.append(re.sub(r"\\p\{(\w+)\}", lambda m: f"[{category(m)}]", part))
    return re.compile("".join(out))


def cut(expressions, text):
    """Matches are words, and so is what lies between them."""
    words = [text]
    for expression in expressions:
        parts = []
        for word in words:
            at = 0
            for match in expression.finditer(word):
                parts += [word[at:match.start()], match.group()]
                at = match.end()
            parts.append(word[at:])
        words = [p for p in parts if p]
    return words


def random_text(rng):
    few = rng.sample(ALPHABET, 5) + [rng.choice(MORE)]
    return "".join(rng.choice(few if rng.random() < 0.8 else ALPHABET) for _ in range(rng.randrange(1, 14)))


def main():
    rng, failures, words = random.Random(8), 0, 0
    for style, expressions in STYLES.items():
        texts = [random_text(rng) for _ in range(TEXTS)]
        data = b"".join(t.encode() + b"\0" for t in texts)
        done = subprocess.run([*command(sys.argv[1]), style], input=data, capture_output=True, timeout=600, check=True)
        compiled = [translated(e) for e in expressions]
        lines = done.stdout.decode().splitlines()
        assert len(lines) == len(texts), style
        for text, line in zip(texts, lines):
            wanted = cut(compiled, text)
            words += len(wanted)
            if [int(n) for n in line.split()] == [len(w.encode()) for w in wanted]:
                continue
            failures += 1
            print(f"FAILED: {style}: {text!r}: {line}, not {wanted}")
    print(f"{words} words, {failures} texts cut otherwise")
    sys.exit(1 if failures else 0)


main()
