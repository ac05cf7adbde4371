"""A tokenizer.json with any values in any places: it is read, or refused as the bundle's fault, and nothing panics."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from latentlink.engine.bundle import TokenizerEntry
from latentlink.errors import BundleError, UsageError
from latentlink.runtime.text import Prompts
from latentlink.runtime.text.inversions import MAX_TEXT, expanded
from latentlink.runtime.text.tokenizing import encode
from tests.engine.tokenizers.samples import SAMPLES, record

Way: TypeAlias = tuple[Any, ...]

ENTRY = TokenizerEntry(path="t/tokenizer.json", max_length=77, pad_id=0, start_id=None, end_id=1, overflow="chunk")

TEXTS = ("a red circle", "ﬁ\tred \ufdfa é", "<|im_start|>red <unk></s>", "", "\0\U0010ffff", "a" * 300, "\u0301" * 300)

VALUES: tuple[Any, ...] = (
    None, True, -1, 2**31, 2**32 - 1, 2**64, 1.5, float("nan"), float("inf"), 1e308, "", "a", "▁", "\ud800", "x" * 2000,
    "(a+)+$", "[", [], {}, [[]], ["a", 1], {"String": ""}, {"Regex": "(a|a)*b"}, {"type": "BPE"}, {"type": "NFKD"},
    {"type": "ByteLevel"}, {"type": "Sequence", "normalizers": []}, {"type": "Metaspace", "replacement": "▁"},
)  # fmt: skip


def ways(value: Any, way: Way = ()) -> Iterator[Way]:
    """The way to every value below this one."""
    if way:
        yield way
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from ways(value[key], (*way, key))


def at(value: Any, way: Way) -> Any:
    for key in way:
        value = value[key]
    return value


def mutated(draw: random.Random, records: list[dict[str, Any]]) -> dict[str, Any]:
    """A tokenizer with one to three values replaced, removed, or taken from another one."""
    made = copy.deepcopy(draw.choice(records))
    for _ in range(draw.choice((1, 1, 2, 3))):
        way = draw.choice(list(ways(made)) or [("model",)])
        way = way[: draw.randint(1, len(way))]
        inner, key, other = at(made, way[:-1]), way[-1], draw.choice(records)
        if (change := draw.randrange(4)) == 0:
            inner[key] = copy.deepcopy(draw.choice(VALUES))
        elif change == 1:
            inner.pop(key, None) if isinstance(inner, dict) else inner.pop(key)
        elif change == 2:
            inner[key] = copy.deepcopy(at(other, draw.choice(list(ways(other)))))
        else:
            part = draw.choice(("normalizer", "pre_tokenizer", "model", "added_tokens"))
            made[part] = copy.deepcopy(other[part])
    return made


def test_a_changed_tokenizer_is_read_or_is_a_fault_of_the_bundle(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw, file = random.Random(17), tmp_path / "tokenizer.json"
    records = [record(kind) for kind in SAMPLES]
    outcomes = {"read": 0, "refused": 0}
    for _ in range(400):
        file.write_text(json.dumps(mutated(draw, records)))
        try:
            prompts = Prompts(file, ENTRY)
            prompts.tokens(TEXTS, prompts.pieces(TEXTS))
            outcomes["read"] += 1
        except BundleError as error:
            assert "t/tokenizer.json" in error.message
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 50
    assert "panicked" not in capfd.readouterr().err


class PanicException(BaseException):
    """As the library raises where its own code fails: no `Exception`."""


@pytest.mark.parametrize("raised", [PanicException("index out of range"), ValueError("no such token")])
def test_a_panic_of_the_library_is_a_fault_of_the_bundle(raised: BaseException) -> None:
    class Failing:
        def encode(self, *_: object, **__: object) -> None:
            raise raised

    with pytest.raises(BundleError, match=r"t/tokenizer\.json is not a tokenizer that the tokenizers library reads"):
        encode(Failing(), "a", "t/tokenizer.json")  # type: ignore[arg-type]


def test_ctrl_c_in_the_library_stays_ctrl_c() -> None:
    class Interrupted:
        def encode(self, *_: object, **__: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(Interrupted(), "a", "t/tokenizer.json")  # type: ignore[arg-type]


def test_words_that_multiply_each_other_are_refused_before_the_text_is_made() -> None:
    digits = [str(digit) for digit in range(10)]
    with pytest.raises(UsageError, match=f"expected at most {MAX_TEXT}"):
        expanded("0 1 2 3", digits, dict.fromkeys(digits, 1024))
