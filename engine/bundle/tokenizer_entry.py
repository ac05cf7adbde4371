"""The manifest's record of a tokenizer: which file it is and how token ids are made with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from latentlink.engine.bundle.paths import check_path
from latentlink.engine.bundle.record_checks import MAX_TEXT, check_int, inside, record_of, sorted_items, unexpected

MAX_ID = (1 << 31) - 1
MAX_LENGTH = 1 << 15
MAX_VECTORS, MAX_WORDS = 1024, 1024

OVERFLOWS: Mapping[str, str] = {
    "refuse": "is refused",
    "truncate": "is cut off, as another encoder of the model reads the rest",
    "chunk": "is read in several pieces, whose embeddings follow each other; (words:1.3) are weighted",
}
"""What is done with a prompt that has more tokens than its text encoder reads."""

_KEYS = ("path", "max_length", "pad_id", "start_id", "end_id", "overflow")
_OPTIONAL = ("vectors",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerEntry:
    """How the token ids of a component are made.

    Args:
        path: A `tokenizer.json` of the bundle.
        max_length: Tokens of a prompt, including start and end; at least one more than these.
        pad_id: Token that fills a prompt up to `max_length`.
        start_id: First token of every prompt, or None.
        end_id: Last token of every prompt, or None.
        overflow: What is done with a longer prompt: a key of `OVERFLOWS`.
        vectors: By word that stands for several tokens, their number: a textual inversion `X` of three vectors is read
            as `X X_1 X_2`.
    """

    path: str
    max_length: int
    pad_id: int
    start_id: int | None
    end_id: int | None
    overflow: str = "refuse"
    vectors: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_path("path", self.path)
        check_int("max_length", self.max_length, 1, MAX_LENGTH)
        ends = (self.start_id is not None) + (self.end_id is not None)
        if self.max_length <= ends:
            raise unexpected("max_length", self.max_length, f"more than the {ends} tokens that begin and end a prompt")
        check_int("pad_id", self.pad_id, 0, MAX_ID)
        for key, value in (("start_id", self.start_id), ("end_id", self.end_id)):
            if value is not None:
                check_int(key, value, 0, MAX_ID)
        if not isinstance(self.overflow, str) or self.overflow not in OVERFLOWS:
            raise unexpected("overflow", self.overflow, f"one of {', '.join(OVERFLOWS)}")
        with inside("vectors"):
            for word, count in sorted_items(self.vectors, MAX_WORDS, MAX_TEXT):
                if not word:
                    raise unexpected("", word, "a word")
                check_int(word, count, 2, MAX_VECTORS)

    def to_json(self) -> dict[str, Any]:
        """The record of this tokenizer."""
        record = {key: getattr(self, key) for key in _KEYS}
        return record | ({"vectors": dict(sorted_items(self.vectors, MAX_WORDS, MAX_TEXT))} if self.vectors else {})

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a record; see `Manifest.from_json`."""
        return cls(**record_of(value, _KEYS, _OPTIONAL))
