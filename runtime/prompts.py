"""Prompts to token ids, by the tokenizer that the bundle carries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from latentlink.engine.manifest import TokenizerEntry
from latentlink.errors import BundleError, UsageError


class Prompts:
    """The tokenizer of one text encoder.

    Args:
        file: `tokenizer.json`.
        entry: What the manifest says of it.
    """

    def __init__(self, file: Path, entry: TokenizerEntry) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the tokenizers library raises plain Exception
            raise BundleError(
                f"{entry.path} is not a tokenizer that the tokenizers library reads ({error}).",
                remedy="Build the bundle again: latentlink build EXPORTED BUNDLE.",
            ) from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._entry = entry

    def ids(self, prompts: Sequence[str]) -> NDArray[np.int32]:
        """Token ids int32 `[N, max_length]`: start, the prompt's tokens, end, padding.

        Raises:
            UsageError: A prompt is longer than the encoder reads.
        """
        entry = self._entry
        out = np.full((len(prompts), entry.max_length), entry.pad_id, np.int32)
        room = entry.max_length - (entry.start_id is not None) - (entry.end_id is not None)
        for row, prompt in zip(out, prompts, strict=True):
            encoding = self._tokenizer.encode(prompt, add_special_tokens=False)
            if len(encoding.ids) > room:
                rest = prompt[encoding.offsets[room][0] :]
                raise UsageError(
                    f"The prompt has {len(encoding.ids)} tokens, but the text encoder reads {room}; "
                    f"it would not see: {rest!r}.",
                    remedy="Shorten the prompt.",
                )
            ids = [*encoding.ids]
            if entry.start_id is not None:
                ids.insert(0, entry.start_id)
            if entry.end_id is not None:
                ids.append(entry.end_id)
            row[: len(ids)] = ids
        return out
