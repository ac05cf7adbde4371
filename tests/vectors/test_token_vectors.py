"""The tokens that the native runtime has to find are those of the tokenizers library and the Python runtime of today.

After an update of the library, they are written again: `python -m tests.vectors.write`, and `python -m
tests.vectors.unicode`.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.vectors.tokens import blocks, digests, tokens
from tests.vectors.unicode import FILE, table
from tests.vectors.write import FOLDER


def test_what_is_said_of_tokenizers_and_prompts_is_that_of_today() -> None:
    assert json.loads((FOLDER / "tokens.json").read_text("utf-8")) == json.loads(json.dumps(tokens()))


def test_the_tokens_of_hard_texts_are_those_of_today() -> None:
    np.testing.assert_array_equal(digests(), load_file(FOLDER / "tokens.safetensors")["digests"])


@pytest.mark.slow
def test_the_tokens_of_all_characters_are_those_of_today() -> None:
    np.testing.assert_array_equal(blocks(), load_file(FOLDER / "tokens.safetensors")["blocks"])


@pytest.mark.slow
def test_what_the_native_runtime_knows_of_characters_is_what_the_library_does() -> None:
    assert FILE.read_text("utf-8") == table()
