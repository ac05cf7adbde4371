"""From prompts to token ids, with the bundle's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from latentlink.engine.bundle import TokenizerEntry
from latentlink.errors import UsageError
from latentlink.runtime.text.inversions import expanded
from latentlink.runtime.text.tokenizing import encode, open_tokenizer
from latentlink.runtime.text.weighting import weighted_parts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tokens:
    """Token ids of several prompts.

    Args:
        ids: int32 `[P, K, L]`: K pieces per prompt, L tokens each: start, the prompt's tokens, end, padding.
        weights: float32 `[P, K, L]`, 1 where the prompt has no weight.
    """

    ids: NDArray[np.int32]
    weights: NDArray[np.float32]


class Prompts:
    """The tokenizer of one text encoder.

    Args:
        file: `tokenizer.json`.
        entry: Its entry in the manifest.

    Raises:
        BundleError: It is no tokenizer that a bundle may have, here or when a text is read.
    """

    def __init__(self, file: Path, entry: TokenizerEntry) -> None:
        self._tokenizer = open_tokenizer(file, entry.path)
        self._entry = entry
        self._room = entry.max_length - (entry.start_id is not None) - (entry.end_id is not None)

    @property
    def chunks(self) -> bool:
        """Whether long prompts are read in pieces, and weights in prompts have an effect."""
        return self._entry.overflow == "chunk"

    def pieces(self, prompts: Sequence[str]) -> int:
        """Pieces that the longest of these prompts needs; 1 if prompts are not read in pieces."""
        if not self.chunks:
            return 1
        return max(1, *(-(-len(self._tokens(prompt)) // self._room) for prompt in prompts))

    def tokens(self, prompts: Sequence[str], pieces: int = 1) -> Tokens:
        """Token ids of every prompt in `pieces` pieces; pieces beyond a prompt's end are empty.

        Raises:
            UsageError: A prompt is longer than the encoder reads.
            BundleError: The tokenizer fails.
        """
        entry = self._entry
        shape = (len(prompts), pieces, entry.max_length)
        ids, weights = np.full(shape, entry.pad_id, np.int32), np.ones(shape, np.float32)
        first = int(entry.start_id is not None)
        for row, prompt in enumerate(prompts):
            found = self._tokens(prompt)
            if entry.overflow == "truncate":
                found = found[: self._room]
            if len(found) > pieces * self._room:
                raise self._too_long(prompt, len(found))
            for piece in range(pieces):
                part = found[piece * self._room : (piece + 1) * self._room]
                last = first + len(part)
                if entry.start_id is not None:
                    ids[row, piece, 0] = entry.start_id
                ids[row, piece, first:last] = [token for token, _ in part]
                weights[row, piece, first:last] = [weight for _, weight in part]
                if entry.end_id is not None:
                    ids[row, piece, last] = entry.end_id
        return Tokens(ids=ids, weights=weights)

    def _tokens(self, prompt: str) -> list[tuple[int, float]]:
        """Ids of a prompt's tokens, without start and end, and their weights."""
        parts = weighted_parts(prompt) if self.chunks else [(prompt, 1.0)]
        return [(token, weight) for text, weight in parts for token in self._encode(self._expanded(text)).ids]

    def _expanded(self, text: str) -> str:
        """A text with textual inversions written out, vector by vector."""
        vectors = self._entry.vectors
        return expanded(text, set(self._encode(text).tokens), vectors) if vectors else text

    def _encode(self, text: str) -> Encoding:
        return encode(self._tokenizer, text, self._entry.path)

    def _too_long(self, prompt: str, count: int) -> UsageError:
        text = self._expanded(prompt)
        first = self._encode(text).offsets[self._room][0]
        return UsageError(
            f"The prompt has {count} tokens, but the text encoder reads {self._room}; it would not see: "
            f"{text[first:]!r}.",
            remedy="Shorten the prompt.",
        )
