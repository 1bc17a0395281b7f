#!/usr/bin/env python3
"""make-unicode.py > unicode_ranges.c: which characters are letters, and of which case, marks, numbers and white
space, for splitting text before byte-level BPE. From the Unicode data of the Python that runs it; run it again when
that has grown."""
# SPDX-License-Identifier: Apache-2.0
import sys
import unicodedata

# As in llm_char_kind.
OTHER, LETTER, NUMBER, SPACE, UPPER, LOWER, MARK = range(7)
PER_LINE = 9


def kind_of(char):
    """Unicode's White_Space is these categories and six control characters."""
    category = unicodedata.category(char)
    if category in ("Zs", "Zl", "Zp") or char in "\t\n\v\f\r\x85":
        return SPACE
    cases = {"Lu": UPPER, "Lt": UPPER, "Ll": LOWER}
    return cases.get(category) or {"L": LETTER, "N": NUMBER, "M": MARK}.get(category[0], OTHER)


def main():
    entries, last = [], None
    for code in range(sys.maxunicode + 1):
        kind = kind_of(chr(code))
        if kind != last:
            entries.append(f"0x{code << 3 | kind:x},")
            last = kind
    print(f"/* unicode_ranges.c: made by make-unicode.py from Unicode {unicodedata.unidata_version}: a character has "
          "the kind of the last\n * entry that begins at or before it. SPDX-License-Identifier: Apache-2.0 */\n"
          '#include "unicode.h"\n\n'
          "/* first character · 8 + llm_char_kind */\n"
          "const uint32_t llm_char_ranges[] = {")
    for at in range(0, len(entries), PER_LINE):
        print("    " + " ".join(entries[at:at + PER_LINE]))
    print("};\nconst uint32_t llm_n_char_ranges = sizeof llm_char_ranges / sizeof *llm_char_ranges;")


if __name__ == "__main__":
    main()
