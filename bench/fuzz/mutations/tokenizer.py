"""Mutations of a bundle's tokenizers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from latentlink.bench.fuzz.mutations.json_values import mutate_json
from latentlink.bench.fuzz.mutations.mutation import Mutation, short
from latentlink.bench.fuzz.mutations.rehash import rehash


def mutate_tokenizer(rng: Random, case: Path) -> Mutation:
    """Change a tokenizer: one of its values, or one of its stages to another of the tokenizers library."""
    path = rng.choice(sorted((case / "tokenizers").rglob("tokenizer.json")))
    if rng.random() < 0.5:
        text, mutation = mutate_json(rng, path.read_bytes())
        path.write_bytes(text)
    else:
        record = json.loads(path.read_bytes())
        stage = rng.choice([*STAGES])
        name = rng.choice([*STAGES[stage]])
        record[stage] = STAGES[stage][name]
        mutation = Mutation(what=f"{stage}: {name}", detail=short(record[stage]))
        path.write_text(json.dumps(record))
    rehash(case)
    return mutation


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _sequence(count: int, content: str) -> dict[str, Any]:
    """A normaliser that makes text longer at each of its stages."""
    return {"type": "Sequence", "normalizers": [_replace({"Regex": "."}, content)] * count}


WHOLE = {"pattern": {"Regex": ""}, "behavior": "Isolated", "invert": False}
PIECE = {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
ADDED = {"single_word": False, "lstrip": True, "rstrip": True, "normalized": False, "special": True}
UNKNOWN = [{"SpecialToken": {"id": "<none>", "type_id": 0}}]

STAGES: Mapping[str, Mapping[str, Any]] = {
    "normalizer": {
        "ten times longer, nine times": _sequence(9, "aaaaaaaaaa"),
        "ten times longer, four times": _sequence(4, "aaaaaaaaaa"),
        "a long replacement": _replace({"String": ""}, "a" * 10_000),
        "an empty pattern": _replace({"Regex": ""}, "ab"),
        "a slow pattern": _replace({"Regex": "(.+)+(.+)+(.+)+$x"}, ""),
        "a broken pattern": _replace({"Regex": "("}, ""),
        "a prefix": {"type": "Prepend", "prepend": "a" * 100_000},
        "a map without bytes": {"type": "Precompiled", "precompiled_charsmap": ""},
        "a broken map": {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="},
        "another one": {"type": "NFKD"},
        "unknown": {"type": "Unknown"},
        "none": None,
        "deep": json.loads('{"type":"Sequence","normalizers":[' * 60 + '{"type":"NFC"}' + "]}" * 60),
    },
    "pre_tokenizer": {
        "a slow pattern": {"type": "Split", **WHOLE, "pattern": {"Regex": "(x+x+)+y"}},
        "an empty pattern": {"type": "Split", **WHOLE},
        "characters": {"type": "CharDelimiterSplit", "delimiter": " "},
        "no length": {"type": "FixedLength", "length": 0},
        "digits": {"type": "Digits", "individual_digits": True},
        "white space": {"type": "WhitespaceSplit"},
        "none": None,
    },
    "post_processor": {
        "an unknown token": {"type": "BertProcessing", "sep": ["[SEP]", 4_000_000_000], "cls": ["[CLS]", 0]},
        "ids beyond the model": {"type": "BertProcessing", "sep": ["s", 60_000], "cls": ["c", 60_000]},
        "an empty template": {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}},
        "unknown tokens": {"type": "TemplateProcessing", "single": UNKNOWN * 100, "pair": [], "special_tokens": {}},
        "none": None,
    },
    "model": {
        "an empty vocabulary": {"type": "BPE", "vocab": {}, "merges": []},
        "one word": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
        "no word": {"type": "WordLevel", "vocab": {}, "unk_token": "<unk>"},
        "an unknown token that is missing": {"type": "WordPiece", "vocab": {"a": 1}, "unk_token": "[UNK]", **PIECE},
        "no pieces": {"type": "Unigram", "unk_id": 0, "vocab": []},
        "pieces without a score": {"type": "Unigram", "unk_id": 7, "vocab": [["a", -1e308], ["", 0.0]]},
        "large ids": {"type": "BPE", "vocab": {"a": 4_294_967_295, "b": 0}, "merges": []},
        "merges of nothing": {"type": "BPE", "vocab": {"a": 0}, "merges": [["x", "y"]]},
        "dropout": {"type": "BPE", "dropout": 0.5, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]},
    },
    "added_tokens": {
        "none": [],
        "a space": [{"id": 5, "content": " ", **ADDED}],
        "an empty one": [{"id": 5, "content": "", **ADDED}],
        "a large id": [{"id": 4_000_000_000, "content": "red", **ADDED}],
    },
    "truncation": {
        "no length": {"direction": "Right", "max_length": 0, "strategy": "LongestFirst", "stride": 0},
        "a stride above the length": {"direction": "Left", "max_length": 2, "strategy": "OnlyFirst", "stride": 9},
    },
    "padding": {
        "of a thousand million": {
            "strategy": {"Fixed": 1_000_000_000},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "x",
        },
    },
}
"""By stage of a tokenizer, what to put in its place."""
