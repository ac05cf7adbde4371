"""Which characters a text of a bundle may have: a rule of the format, the same in every version of Unicode.

`str.isprintable` follows the version of Unicode that Python was made with and refuses what later ones add, so a bundle
would open in one Python and not in another. Here a character that is assigned later is text.
"""

from __future__ import annotations

import re

UNPRINTABLE = (
    (0x0000, 0x001F), (0x007F, 0x00A0), (0x00AD, 0x00AD), (0x0600, 0x0605), (0x061C, 0x061C), (0x06DD, 0x06DD),
    (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200F),
    (0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000), (0xD800, 0xF8FF), (0xFDD0, 0xFDEF), (0xFEFF, 0xFEFF),
    (0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE00FF), (0xE01F0, 0x10FFFF),
)  # fmt: skip
"""Ranges of code points, both ends included: the categories Cc, Cf, Cs, Co, Zl, Zp and Zs of Unicode 17 but the space,
the noncharacters of plane 0, and what Unicode reserves for invisible characters and private use."""

_UNPRINTABLE = re.compile("[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in UNPRINTABLE) + "]")


def is_printable(text: str) -> bool:
    """Whether a terminal shows `text` as it stands: no control or invisible character, no space other than U+0020."""
    return _UNPRINTABLE.search(text) is None


def only_printable(text: str) -> str:
    """`text` without its unprintable characters."""
    return _UNPRINTABLE.sub("", text)


def quoted(text: str) -> str:
    """`repr(text)`, but with escapes for what is unprintable by this rule: the same in every version of Python."""
    quote = '"' if "'" in text and '"' not in text else "'"
    escaped = _ESCAPED.sub(lambda found: _escape(found[0], quote), text)
    return f"{quote}{escaped}{quote}"


_ESCAPED = re.compile(rf"{_UNPRINTABLE.pattern}|['\"\\]")


def _escape(letter: str, quote: str) -> str:
    if letter in "'\"":
        return f"\\{letter}" if letter == quote else letter
    return repr(letter)[1:-1]
