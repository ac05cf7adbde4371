"""Writes what the tokenizers library knows of each character: `python -m tests.vectors.unicode`, after an update of it.

The library is made of parts that follow different versions of Unicode, up to eight years apart. So its parts are asked,
character by character, and the native runtime looks the answers up in runtime/native/tokenizers/unicode_table.inc.
Where a text is cut into what a reader takes for one character, a table of characters shows the cuts. What that cannot
tell apart is as the regex package has it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import regex  # type: ignore[import-untyped]
from tokenizers import Regex, normalizers, pre_tokenizers

from tests.engine.tokenizers.samples import charsmap

FILE = Path(__file__).parents[2] / "runtime/native/tokenizers/unicode_table.inc"

END = 0x110000
CODES = (*range(0xD800), *range(0xE000, END))
"""All characters: all code points but the surrogates."""

TEXT = "".join(map(chr, CODES))

CATEGORIES = (r"\p{Lu}", r"\p{Ll}", r"\p{Lt}", r"\p{Lm}", r"\p{Lo}", r"\p{M}", r"\p{N}")
"""The categories that patterns name, from 1; 0 are all others."""

BREAKS = (
    "CR", "LF", "Control", "Extend", "ZWJ", "Regional_Indicator", "Prepend", "SpacingMark", "L", "V", "T", "LV", "LVT",
)  # fmt: skip
"""Values of Grapheme_Cluster_Break, from 1; the last number is that of Extended_Pictographic."""

CONJUNCTS = ("Consonant", "Linker", "Extend")
"""Values of Indic_Conjunct_Break, from 1."""

ABOVE, BELOW = "\u0315", "\u0334"
"""Marks of the combining classes 232 and 1."""


def of_pattern(pattern: str) -> set[int]:
    """The characters that the library's regular expressions find."""
    without = set(normalizers.Replace(Regex(pattern + "+"), "").normalize_str(TEXT))
    return {code for code in CODES if chr(code) not in without}


def of_words() -> set[int]:
    """The characters that belong to words, for added tokens of whole words."""
    found = set()
    cut = pre_tokenizers.Whitespace()
    for first in range(0, len(TEXT), 1 << 16):
        part = TEXT[first : first + (1 << 16)]
        found |= {
            ord(word[1]) for word, _ in cut.pre_tokenize_str(" ".join("a" + one for one in part)) if len(word) > 1
        }
    return found


def of_normalization() -> set[int]:
    """The characters that a normal form changes or moves."""
    forms = (normalizers.NFD(), normalizers.NFKD())

    def changed(text: str) -> bool:
        return any(form.normalize_str(text) != text for form in forms)

    def moves(one: str) -> bool:
        return forms[0].normalize_str(one + BELOW)[0] == BELOW or forms[0].normalize_str(ABOVE + one)[-1] == ABOVE

    return {code for code in CODES if code > 0x7F and (changed(chr(code)) or moves(chr(code)))}


def _replaces(replaced: str, by: str) -> Callable[[str], str]:
    """A normalizer that replaces what a reader takes for one character by what its first character becomes."""
    table = base64.b64decode(charsmap({replaced: by}))
    return normalizers.Precompiled(table).normalize_str


def of_joining() -> set[int]:
    """The characters that are part of the one before."""
    replaces = _replaces("x", "y")
    return {code for code in CODES if replaces("x" + chr(code)) == "y"}


def of_pictures() -> set[int]:
    """The pictures that others can be joined to: what is joined is too long to be replaced as one."""
    replaces = _replaces("\u231a", "y")
    return {code for code in CODES if replaces(chr(code) + "\u200d\u231a\u0301")[-1] == "\u0301"}


def of_property(name: str) -> set[int]:
    """The characters with a property of Unicode."""
    return {ord(one) for one in regex.findall(rf"\p{{{name}}}", TEXT)}


def properties() -> list[int]:
    """Of each code point: 3 bits of category, 4 of breaks, 2 of conjuncts, 1 of words, 1 of normalization."""
    found = [0] * END

    def put(codes: set[int], bits: int) -> None:
        for code in codes:
            found[code] |= bits

    for number, pattern in enumerate(CATEGORIES, 1):
        put(of_pattern(pattern), number)
    joining = of_joining()
    for number, name in enumerate(BREAKS, 1):
        codes = of_property(f"GCB={name}")
        put(codes & joining if name in ("Extend", "SpacingMark") else codes, number << 3)
    put(of_pictures(), (len(BREAKS) + 1) << 3)
    for number, name in enumerate(CONJUNCTS, 1):
        codes = of_property(f"InCB={name}")
        put(codes if name == "Consonant" else codes & joining, number << 7)
    put(of_words(), 1 << 9)
    put(of_normalization(), 1 << 10)
    # syllables of Hangul with and without a third letter alternate: the reader tells them apart
    syllable = found[0xAC01]
    for code in range(0xAC00, 0xD7A4):
        found[code] = syllable
    return found


def small_letters() -> Iterator[tuple[int, int, int, int]]:
    """Characters that have a small letter: first, count, step, and how much further on it is."""
    lowercase: Callable[[str], str] = normalizers.Lowercase().normalize_str
    written = [(code, lowercase(chr(code))) for code in CODES]
    assert [code for code, text in written if len(text) > 1] == [0x130], "the reader knows one letter of two"
    moved = [(code, ord(text) - code) for code, text in written if len(text) == 1 and ord(text) != code]
    while moved:
        first, away = moved[0]
        runs = []
        for step in (1, 2):
            count = 1
            while count < len(moved) and moved[count] == (first + count * step, away):
                count += 1
            runs.append((count, step))
        count, step = max(runs, key=lambda run: run[0])
        yield first, count, step, away
        del moved[:count]


def table() -> str:
    """The text of the file."""
    found = properties()
    starts = [0, *(after for before, after in pairwise(range(END)) if found[before] != found[after])]
    ranges = [f"0x{start << 11 | found[start]:08X}" for start in starts]
    letters = [f"{{0x{first:X}, {count}, {step}, {away}}}" for first, count, step, away in small_letters()]
    return (
        "// Written by `python -m tests.vectors.unicode`: what the tokenizers library knows of each character.\n"
        "#ifdef LATENTLINK_UNICODE_RANGES\n"
        f"{_lines(ranges)}#endif\n"
        "#ifdef LATENTLINK_UNICODE_SMALL_LETTERS\n"
        f"{_lines(letters)}#endif\n"
    )


def _lines(values: list[str]) -> str:
    lines, line = [], ""
    for value in values:
        if len(line) + len(value) > 118:
            lines.append(line.rstrip())
            line = ""
        line += value + ", "
    return "\n".join([*lines, line.rstrip(), ""])


if __name__ == "__main__":
    FILE.write_text(table(), encoding="utf-8")
