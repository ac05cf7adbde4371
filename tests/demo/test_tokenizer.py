from __future__ import annotations

from pathlib import Path

import pytest

from latentlink.demo.grammar import scenes, words
from latentlink.demo.tokenizer import END, START, vocabulary, write_tokenizer

ODD = ["", "A Red CIRCLE", "a photo of a cat, 42!", "café", "  red   star "]


def test_every_word_of_the_grammar_is_one_token() -> None:
    tokens, _ = vocabulary()

    assert {word + "</w>" for word in words()} <= set(tokens)
    assert len(tokens) == len(set(tokens))
    assert tokens[-2:] == [START, END]


def test_transformers_and_tokenizers_read_the_same_ids(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    write_tokenizer(tmp_path)
    reference = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(
        transformers.CLIPTokenizerFast.from_pretrained(tmp_path).backend_tokenizer.to_str(), encoding="utf-8"
    )
    fast = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokens, _ = vocabulary()

    for caption in [*ODD, *(scene.caption for scene in scenes())]:
        ids = reference(caption).input_ids
        assert fast.encode(caption).ids == ids
        assert (tokens[ids[0]], tokens[ids[-1]]) == (START, END)
    assert [tokens[i] for i in reference("a red circle").input_ids[1:-1]] == [
        "a</w>",
        "red</w>",
        "circle</w>",
    ]
