"""SentencePiece's table of characters and their replacements, which the library follows without looking at bounds.

A table is the size of a trie in bytes (uint32, little-endian), the trie (a double array of uint32 units, as in
darts-clone), and the replacements: UTF-8 texts that each end with a NUL. A value in the trie is the place of its
replacement. A damaged table makes the library read past the end of an array, which ends in a panic.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np

MAX_REPLACEMENT = 64
"""Most characters in the place of one; the published tables have 18 at most."""

_EXPECTED = "a table of sentencepiece in base64"


def problem_of(charsmap: str) -> str:
    """What is wrong with a table; empty if it is one that the library can follow for every text.

    Args:
        charsmap: The table in base64.
    """
    try:
        raw = base64.b64decode(charsmap, validate=True)
        size = int.from_bytes(raw[:4], "little")
        if size % 4 or not 4 <= size <= len(raw) - 4:
            return f"its trie has {size} bytes of {len(raw)}, expected {_EXPECTED}"
        replacements = raw[4 + size :]
        longest = max(map(len, replacements.decode().split("\0")))
    except (binascii.Error, UnicodeError, ValueError) as error:
        return f"received text that is no such table ({error}), expected {_EXPECTED}"
    if longest > MAX_REPLACEMENT:
        return f"it replaces one character by {longest}, expected at most {MAX_REPLACEMENT}"
    if _leads_out(np.frombuffer(raw, "<u4", size // 4, 4).astype(np.int64), np.frombuffer(replacements, np.uint8)):
        return f"its trie leads out of the table, expected {_EXPECTED}"
    return ""


def _leads_out(units: np.ndarray, replacements: np.ndarray) -> bool:
    """Whether some text leads from one unit to one that is not there, or to the middle of a character."""
    offsets = (units >> 10) << ((units & (1 << 9)) >> 6)
    children = np.arange(len(units)) ^ offsets
    # a unit with the highest bit set is a value, and no label is equal to it; the walk begins at the first unit anyhow
    walked = units >> 31 == 0
    walked[0] = True
    if ((children | 0xFF)[walked] >= len(units)).any():
        return True
    values = units[children[walked & (units >> 8 & 1 == 1)]] & 0x7FFFFFFF
    return bool((values >= len(replacements)).any() or (replacements[values] & 0xC0 == 0x80).any())
