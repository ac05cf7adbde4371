"""What a bundle's tokenizer.json may hold: the tokenizers of text encoders pass unchanged, everything else is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from tokenizers import Regex, Tokenizer, pre_tokenizers

from latentlink.engine.tokenizers import MAX_BYTES, TokenizerFormatError, read_tokenizer
from latentlink.engine.tokenizers.patterns import PATTERNS
from tests.engine.tokenizers.samples import SAMPLES, charsmap, record

Record: TypeAlias = dict[str, Any]

TEXTS = ("", "a red circle", "ﬁ\tred  a", "<|im_start|>red <think>é", "A\n\n  Red 123", "▁red <unk></s>")


def written(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_tokenizer_of_a_text_encoder_makes_the_same_ids_after_it_was_checked(kind: str) -> None:
    theirs = SAMPLES[kind]()
    ours = Tokenizer.from_str(read_tokenizer(theirs.to_str().encode()))
    for text in TEXTS:
        assert ours.encode(text, add_special_tokens=False).ids == theirs.encode(text, add_special_tokens=False).ids


def test_the_library_gets_none_of_the_parts_that_ids_do_not_need() -> None:
    whole = record("t5") | {"post_processor": {"type": "Anything"}, "decoder": [[]], "padding": 3, "truncation": "x"}
    read = json.loads(read_tokenizer(written(whole)))
    assert [read[key] for key in ("post_processor", "decoder", "padding", "truncation")] == [None] * 4


@pytest.mark.parametrize("pattern", PATTERNS, ids=PATTERNS.values())
def test_no_pattern_backtracks_without_end(pattern: str) -> None:
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    for pair in ("  ", " \n", "\r\n", "aA", "a'", "\u0301a", "é1", "# ", "'s"):
        for text in (pair * 5000, pair * 2500 + "!", pair[0] * 5000 + pair[1] * 5000):
            assert "".join(part for part, _ in split.pre_tokenize_str(text)) == text


def step(where: str, value: object) -> Callable[[Record], Record]:
    return lambda whole: {**whole, where: value}


def model(**changed: object) -> Callable[[Record], Record]:
    return lambda whole: {**whole, "model": {**whole["model"], **changed}}


def replace(pattern: object, content: object) -> dict[str, object]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def nested(kind: str, key: str) -> dict[str, object]:
    return {"type": "Sequence", key: [{"type": "Sequence", key: [{"type": kind}]}]}


TOKEN = {"id": 9, "content": "x", "single_word": False, "lstrip": False, "rstrip": False, "normalized": True}

HOSTILE: dict[str, tuple[str, Callable[[Record], Record], str]] = {
    "another version": ("clip", step("version", "2.0"), "version: received '2.0', expected '1.0'"),
    "an unknown key": ("clip", step("script", "x"), "received the key 'script'"),
    "no model": ("clip", step("model", None), "model.type: received None, expected one of BPE, Unigram"),
    "a model of another kind": ("clip", model(type="WordPiece"), "expected one of BPE, Unigram"),
    "lots drawn": ("clip", model(dropout=0.5), "model.dropout: received 0.5, expected null"),
    "an id beyond int32": ("clip", model(vocab={"<unk>": 2**32 - 1}), "ids from 0 to 2147483647"),
    "an id that is no number": ("clip", model(vocab={"<unk>": True}), "ids from 0"),
    "an empty vocabulary": ("clip", model(vocab={}), "1 to 1048576 tokens"),
    "an unknown token that is not there": ("clip", model(unk_token="?"), "a token of the vocabulary"),
    "a merge that misses": ("clip", model(merges=[["a", "zz"]]), "pairs of tokens that make a third one"),
    "a merge longer than all tokens": ("clip", model(merges=[["circle", "circle"]]), "that make a third one"),
    "a merge of three": ("clip", model(merges=["a b c"]), "that make a third one"),
    "merges that are cut inside a character": (
        "clip", model(continuing_subword_prefix="é"), "model.continuing_subword_prefix: received 'é', expected null",
    ),
    "a unigram without a score": ("t5", model(vocab=[["a"]]), "score within ±1e+06"),
    "a unigram of nothing": ("t5", model(vocab=[]), "unk_id: received 2, expected below 0"),
    "an empty unigram token": ("t5", model(vocab=[["", 0.0]] * 3), "token of 1 to 1024 characters"),
    "a unigram without an unknown token": ("t5", model(unk_id=None), "model.unk_id: received None"),
    "an unknown step": ("clip", step("normalizer", {"type": "Shell"}), "normalizer.type: received 'Shell'"),
    "a step that is no object": ("clip", step("pre_tokenizer", ["ByteLevel"]), "pre_tokenizer.type: received ["),
    "steps in steps": ("clip", step("normalizer", nested("NFC", "normalizers")), "received 'Sequence'"),
    "words in words": ("clip", step("pre_tokenizer", nested("ByteLevel", "pretokenizers")), "received 'Sequence'"),
    "many steps": (
        "clip", step("normalizer", {"type": "Sequence", "normalizers": [replace({"String": "a"}, "b")] * 9}),
        "received 9 values, expected at most 8",
    ),
    "a text between all letters": ("clip", step("normalizer", replace({"String": ""}, "x")), "text of 1 to 64"),
    "a text that grows": ("clip", step("normalizer", replace({"String": "a"}, "aa")), "at most 1 characters"),
    "a text that grows by a pattern": ("clip", step("normalizer", replace({"Regex": r"\s+"}, "ab")), "at most 1"),
    "a pattern that backtracks": ("clip", step("normalizer", replace({"Regex": "(a+)+$"}, "")), "expected one of the"),
    "words by a pattern that backtracks": (
        "clip",
        step("pre_tokenizer",
             {"type": "Split", "pattern": {"Regex": "(a|a)*b"}, "behavior": "Isolated", "invert": False}),
        "received '(a|a)*b'",
    ),
    "a long prefix": ("clip", step("normalizer", {"type": "Prepend", "prepend": "ab"}), "text of 1 to 1 characters"),
    "letters that multiply twice": (
        "clip", step("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "NFKD"}]}),
        "received NFKC and NFKD, expected one of them",
    ),
    "bytes of bytes": (
        "clip", step("pre_tokenizer", {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}] * 2}),
        "received ByteLevel twice",
    ),
    "a table that is none": (
        "t5", step("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"}), "its trie has 0 bytes of 3",
    ),
    "a table that multiplies": (
        "t5", step("normalizer", {"type": "Precompiled", "precompiled_charsmap": charsmap({"a": "b" * 65})}),
        "it replaces one character by 65, expected at most 64",
    ),
    "an added token without a text": ("clip", step("added_tokens", [TOKEN | {"content": None}]), "content: received"),
    "an added token of half a record": ("clip", step("added_tokens", [{"id": 3}]), "received no key content"),
    "added tokens without end": ("clip", step("added_tokens", [TOKEN] * 65_537), "received 65537 values"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tokenizer_that_could_harm_is_refused_by_what_is_wrong(name: str) -> None:
    kind, change, words = HOSTILE[name]
    with pytest.raises(TokenizerFormatError) as caught:
        read_tokenizer(written(change(record(kind))))
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no UTF-8 JSON"),
        (b"\xff\xfe{}", "no UTF-8 JSON"),
        (b"[" * 1_000_000, "nested without end"),
        (b"[" + b"[]," * 5_000_000 + b"1]", "more than 8388608 values"),
        (b" " * (MAX_BYTES + 1), f"received {MAX_BYTES + 1} bytes"),
        (b'{"version": NaN}', "received NaN"),
        (b'{"version": ' + b"1" * 5000 + b"}", "no UTF-8 JSON"),
        (b"null", "received None, expected an object"),
    ],
    ids=("empty", "utf-16", "brackets", "lists", "large", "nan", "digits", "null"),
)
def test_a_file_that_is_no_record_is_refused_before_it_takes_memory(data: bytes, words: str) -> None:
    with pytest.raises(TokenizerFormatError, match=words):
        read_tokenizer(data)
