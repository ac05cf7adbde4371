"""Exported tokenizers as the runtime reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from latentlink.engine.bundle import TokenizerEntry
from latentlink.export.graphs import Tokenizer
from latentlink.runtime.text import Prompts

Read: TypeAlias = Callable[[Tokenizer], Prompts]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Prompts as the runtime reads them with an exported tokenizer."""

    def prompts(tokenizer: Tokenizer) -> Prompts:
        file = tmp_path / "tokenizer.json"
        file.write_bytes(tokenizer.text.encode())
        fields = ("max_length", "pad_id", "start_id", "end_id", "overflow", "vectors")
        record = {name: getattr(tokenizer, name) for name in fields} | {"path": file.name}
        return Prompts(file, TokenizerEntry.from_json(record))

    return prompts
