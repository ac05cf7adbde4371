"""The published tokenizers of CLIP and T5: hard texts have the ids that transformers gives them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import transformers

from latentlink.export.graphs import Tokenizer
from latentlink.export.parts import clip_tokenizer, t5_tokenizer
from tests.export.parts.hard_texts import hard_texts

if TYPE_CHECKING:
    from tests.export.parts.conftest import Read

WEIGHTS = os.environ.get("LATENTLINK_WEIGHTS")
COUNT = 1000

pytestmark = pytest.mark.skipif(
    WEIGHTS is None, reason="LATENTLINK_WEIGHTS does not name a folder with clip_tokenizer and t5_tokenizer"
)


def published(kind: str, length: int) -> tuple[Any, Tokenizer]:
    """A tokenizer as transformers reads it and as it is exported, for texts of any length."""
    folder = Path(WEIGHTS or "") / f"{kind}_tokenizer"
    if kind == "clip":
        return transformers.CLIPTokenizer.from_pretrained(folder), clip_tokenizer(folder, length, "truncate")
    return transformers.T5TokenizerFast.from_pretrained(folder), replace(
        t5_tokenizer(folder, length), overflow="truncate"
    )


@pytest.mark.parametrize(("kind", "length"), [("clip", 77), ("t5", 256)])
def test_a_text_has_the_ids_that_transformers_gives_it(read: Read, kind: str, length: int) -> None:
    theirs, exported = published(kind, length)
    texts = hard_texts(COUNT)
    wanted = theirs(texts, padding="max_length", max_length=length, truncation=True).input_ids
    found = read(exported).tokens(texts).ids[:, 0]
    assert [text for text, ours, row in zip(texts, found, wanted, strict=True) if ours.tolist() != row] == []


def test_the_chunks_of_a_text_have_all_of_its_ids(read: Read) -> None:
    theirs, exported = published("clip", 77)
    # what is a weight or an escape to the runtime is not to transformers
    texts = [text for text in hard_texts(COUNT) if not set("\\(") & set(text)]
    prompts = read(replace(exported, overflow="chunk"))
    for text, wanted in zip(texts, theirs(texts, add_special_tokens=False).input_ids, strict=True):
        rows = prompts.tokens([text], prompts.pieces([text])).ids[0]
        assert (rows[:, 0] == exported.start_id).all()
        found = rows[:, 1:-1].reshape(-1)
        assert found[: len(wanted)].tolist() == wanted, text
        assert set(found[len(wanted) :].tolist()) <= {exported.end_id, exported.pad_id}, text
