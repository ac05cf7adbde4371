"""The regular expressions that a tokenizer may use.

The library's engine (Oniguruma) backtracks, so an expression can take hours on a short text. Whether one does cannot
be told from its form in general; a table of those that published tokenizers use can be tested, and all of these are
fast on every text of a prompt's length.
"""

from __future__ import annotations

from collections.abc import Mapping

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_START = r"[^\r\n\p{L}\p{N}]?"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

PATTERNS: Mapping[str, str] = {
    r"\s+": "spaces of CLIP",
    " {2,}": "spaces of T5",
    r"\n": "line ends",
    r"\s{2,}|[\n\r\t]": "spaces of DeBERTa",
    _CLIP: "words of CLIP",
    rf"<\|startoftext\|>|<\|endoftext\|>|{_CLIP}": "words of CLIP, with its ends",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "words of GPT-2",
    rf"{_CONTRACTIONS}|{_START}\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}": "words of Qwen 2 and 3",
    rf"{_CONTRACTIONS}|{_START}[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}": (
        "words of Qwen 3.5"
    ),
    rf"{_CONTRACTIONS}|{_START}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}": "words of Llama 3",
    rf"{_START}{_UPPER}*{_LOWER}+|{_START}{_UPPER}+{_LOWER}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}": (
        "words of Mistral 3"
    ),
    rf"{_START}{_UPPER}*{_LOWER}+{_CONTRACTIONS}?|{_START}{_UPPER}+{_LOWER}*{_CONTRACTIONS}?|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}": "words of GPT-4o",
}
"""By expression, what it is for. Each matches at least one character."""
