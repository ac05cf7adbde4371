"""Texts and prompts, and what the tokenizers library and the Python runtime make of them.

The ids of a text, and the bytes that its tokens begin with, are kept as a number of 16 bits: two lists of which one is
wrong agree in it by chance once in 65,521 times.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from latentlink.engine.bundle import TokenizerEntry
from latentlink.engine.tokenizers import TokenizerFormatError, read_tokenizer
from latentlink.engine.tokenizers.patterns import PATTERNS
from latentlink.errors import LatentLinkError
from latentlink.runtime.text import Prompts
from latentlink.runtime.text.weighting import weighted_parts
from tests.engine.tokenizers.samples import SAMPLES, charsmap, record
from tests.engine.tokenizers.test_charsmap import WHOLE
from tests.engine.tokenizers.test_read import HOSTILE, written
from tests.export.parts.hard_texts import hard_texts

Record = dict[str, Any]

ROOT = Path(__file__).parents[2]
DEMO = "demo/bundles/demo/tokenizers/text_encoder/tokenizer.json"

TEXTS = tuple(text[:160] for text in hard_texts(1000))
"""Texts that tokenizers disagree on."""

BLOCK = 0x1000
"""Code points that are one text in `blocks`."""

BLOCKS = (*range(0x0, 0x33000, BLOCK), 0xE0000, 0x10F000)
"""The first code points of those that have characters, and of one that has none."""

PRIME = 65521


def digest(numbers: Iterable[int]) -> int:
    """A list of whole numbers as one of 16 bits."""
    made = 0
    for number in numbers:
        made = (made * 257 + number + 1) % PRIME
    return made


def tokenizers() -> dict[str, Record | str]:
    """A tokenizer of each kind by name: its record, or the path of its file in the repository."""
    made: dict[str, Record | str] = {"demo": DEMO, **{kind: record(kind) for kind in SAMPLES}}
    made |= {title: _words(expression) for expression, title in PATTERNS.items()}
    made |= {name: _bytes(normalizer) for name, normalizer in NORMALIZERS.items()}
    made |= {f"metaspace {scheme}": _metaspace(scheme) for scheme in ("always", "never", "first")}
    made |= {
        behavior: _split(behavior) for behavior in ("Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")
    }
    return made | {"bytes for unknown pieces": _pieces(), "added tokens": _added(), "ends of words": _ends()}


NORMALIZERS: Mapping[str, Record] = {
    **{form: {"type": form} for form in ("NFC", "NFD", "NFKC", "NFKD")},
    "lower case": {"type": "Lowercase"},
    "stripped": {"type": "Strip", "strip_left": True, "strip_right": True},
    "stripped on the left": {"type": "Strip", "strip_left": True, "strip_right": False},
    "replaced": {"type": "Replace", "pattern": {"String": "e\u0301"}, "content": "é"},
    "characters of a table": {
        "type": "Precompiled",
        "precompiled_charsmap": charsmap(
            {"\t": " ", "\r": "_", "ﬁ": "fi", "e\u0301": "E", "न": "na", "\u1112": "h", "©": "(c)", "日": "", "a": "b"}
        ),
    },
}

FORMS = ("NFC", "NFD", "NFKC", "NFKD", "lower case", "characters of a table")
"""Normalizers that are asked for all characters."""


def _whole(model: Record, **parts: Any) -> Record:
    return {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None, "model": model, **parts}


def _sequence(*steps: Record) -> Record:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def _letters(letters: str) -> Record:
    """A model without merges, of these letters; all others are unknown."""
    vocabulary = {token: number for number, token in enumerate(["<unk>", *letters])}
    return {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "<unk>"}


def _byte_letters() -> str:
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return "".join(map(chr, [*seen, *range(0x100, 0x100 + 256 - len(seen))]))


def _bytes(normalizer: Record) -> Record:
    """A tokenizer whose ids are the bytes of the normalized text."""
    step = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return _whole(_letters(_byte_letters()), normalizer=normalizer, pre_tokenizer=step)


def _words(expression: str) -> Record:
    """A tokenizer that begins each part with a mark."""
    split = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    mark = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": False}
    return _whole(_letters("▁aeist19 '.\n"), pre_tokenizer=_sequence(split, mark))


def _split(behavior: str) -> Record:
    split = {"type": "Split", "pattern": {"String": "a"}, "behavior": behavior, "invert": behavior == "Contiguous"}
    mark = {"type": "Metaspace", "replacement": "_", "split": False, "str_rep": "_"}
    return _whole(_letters("_aeist19 "), pre_tokenizer=_sequence(split, {"type": "WhitespaceSplit"}, mark))


def _metaspace(scheme: str) -> Record:
    step = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme}
    ends = [_token("<pad>", normalized=False), _token("</s>", rstrip=True, normalized=False)]
    return _whole(_letters("▁aeist19"), pre_tokenizer=step, added_tokens=ends, normalizer={"type": "NFKC"})


def _pieces() -> Record:
    pieces = [
        "<unk>",
        "▁",
        "▁a",
        "▁the",
        "the",
        "e",
        "t",
        "h",
        "aa",
        "a",
        "é",
        "日本",
        *(f"<0x{b:02X}>" for b in range(256)),
    ]
    vocabulary = [[piece, -(number % 7) / 3] for number, piece in enumerate(pieces)]
    model = {"type": "Unigram", "vocab": vocabulary, "unk_id": 0, "byte_fallback": True}
    return _whole(model, pre_tokenizer={"type": "Metaspace", "replacement": "▁"})


def _token(content: str, **flags: bool) -> Record:
    off = dict.fromkeys(("single_word", "lstrip", "rstrip", "special"), False)
    return {"id": 0, "content": content, "normalized": True, **off, **flags}


def _added() -> Record:
    tokens = [
        _token("<pad>", normalized=False, special=True), _token("</s>", lstrip=True, normalized=False),
        _token("<s>", rstrip=True), _token("THE", single_word=True), _token("<unk>", lstrip=True),
        _token("x", single_word=True, rstrip=True), _token("É"),
        _token("日", single_word=True, normalized=False), _token(""),
    ]  # fmt: skip
    return _whole(_letters("aeist19x "), added_tokens=tokens, normalizer={"type": "Lowercase"})


def _ends() -> Record:
    """Ends of words, unknown letters side by side, merges as lines, and whole words of the vocabulary."""
    tokens = ["<unk>", "a", "a</w>", "e", "e</w>", "aa</w>", "the</w>", "t", "h", "th", "▁"]
    vocabulary = {token: 5 * number + 1 for number, token in enumerate(tokens)}
    model = {
        "type": "BPE", "vocab": vocabulary, "merges": ["a a</w>", "t h", "th e</w>"], "unk_token": "<unk>",
        "end_of_word_suffix": "</w>", "fuse_unk": True, "ignore_merges": True,
    }  # fmt: skip
    return _whole(model, pre_tokenizer={"type": "WhitespaceSplit"})


def _read(tokenizer: Record | str) -> Tokenizer:
    data = (ROOT / tokenizer).read_bytes() if isinstance(tokenizer, str) else json.dumps(tokenizer).encode()
    return Tokenizer.from_str(read_tokenizer(data))


def _digests(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[int]:
    for text in texts:
        read = tokenizer.encode(text, add_special_tokens=False)
        begins = (len(text[:begin].encode()) for begin, _ in read.offsets)
        yield digest(number for pair in zip(read.ids, begins, strict=True) for number in pair)


def digests() -> NDArray[np.uint16]:
    """What each tokenizer makes of each of `TEXTS`."""
    return np.array([[*_digests(_read(one), TEXTS)] for one in tokenizers().values()], np.uint16)


def block_texts() -> Iterator[str]:
    """All characters, each with two marks that can join it, change places or stay beside it."""
    for first in BLOCKS:
        codes = (code for code in range(first, first + BLOCK) if not 0xD800 <= code < 0xE000)
        yield "".join(f"{chr(code)}\u0301\u0323\n" for code in codes)


def blocks() -> NDArray[np.uint16]:
    """The ids that the tokenizers of `FORMS` make of all characters, by text and form."""
    made = tokenizers()
    readers = [_read(made[form]) for form in FORMS]
    return np.array(
        [[digest(reader.encode(text, add_special_tokens=False).ids) for reader in readers] for text in block_texts()],
        np.uint16,
    )


def refused() -> list[dict[str, str]]:
    """Files that a bundle may not have, and what is wrong with them."""
    changed = [written(change(record(kind))).decode() for kind, change, _ in HOSTILE.values()]
    texts = [text for text in changed if len(text) < 5000]
    texts += ["", "null", "[]", "{", '{"version": "1.0", "version": "2.0"}', '{"version": NaN}', "[" * 5000, "\ufeff{}"]
    texts += [
        '{"version": 1e999}',
        '{"version": 123456789012345678901234567890}',
        '{"version": "\\ud83d\\ude00\\u0000\'"}',
    ]
    texts += ['{"a": [[[[[1]]]], 2, 3, 4, 5], "b": 1}', json.dumps({"version": "é" * 100}), json.dumps({"k" * 100: 1})]
    for table in (
        "",
        "=",
        "AAA",
        "AAAA",
        "A",
        "A===",
        "AB=C",
        "AAAA=AAA",
        "not base64!",
        "é",
        _broken(),
        WHOLE[:-8] + "////",
    ):
        changed_table = record("t5")
        changed_table["normalizer"]["normalizers"][0]["precompiled_charsmap"] = table
        texts.append(json.dumps(changed_table))
    return [{"text": text, "message": _message(text)} for text in texts]


def _broken() -> str:
    """A table that leads out of itself."""
    return base64.b64encode((4).to_bytes(4, "little") + bytes(4) + b"x\0").decode()


def _message(text: str) -> str:
    try:
        read_tokenizer(text.encode())
    except TokenizerFormatError as error:
        return error.message
    raise AssertionError(f"{text[:100]} was read")


PARTS = (
    "", "a red circle",
    "a (red:1.3) circle", "((red:1.2))", "(a) b", "(16:9) (at 10:30)", "(a:1) (b:2) (c:3)", "(a:.5)",
    "(a:0.) b", "(a: 1.5 ) b", "(a (b:1.5) c) (d)", r"\(a\) (b:1.5)", r"\(a\)", "(a\\\\:1.1)", "(a", "a)", ")(:1.2)",
    "(a:1.2(b:1.1)", "[a] {b|c} <lora:x:1>", "(é日:1.1)👍", "(a:10.0)", "(a:10.1)", "((a:5.0):3.0)", "(:1.5)", "()",
    "(a:1.2.3)",
    "(a:12)", "(a\n:1.1)", "(a:\u30001.1)", "(a:\x1c1.1)", "(a:" + "9" * 400 + ".0)", "(a:." + "0" * 400 + "1)",
    "(" * 50 + "x" + ":1.1)" * 50, "(a:1.1)" * 30, "'(a:99.5)'", "(" + "b" * 100 + ":99.5)",
)  # fmt: skip
"""Prompts with and without weights."""

_ENTRY: Record = {"path": "t/tokenizer.json", "max_length": 9, "pad_id": 583, "start_id": 582, "end_id": 583}
_BARE: Record = {**_ENTRY, "start_id": None, "end_id": None, "pad_id": 0}
_INVERTED: Record = {**_BARE, "max_length": 40, "vectors": {"<x>": 3, "red": 2}}

PROMPTS: tuple[Record, ...] = tuple(
    {"tokenizer": tokenizer, "entry": entry, "prompts": prompts}
    for tokenizer, entry, prompts in (
        ("demo", {**_ENTRY, "overflow": "chunk"}, ["a red circle", "a (blue:1.3) circle, " * 4, ""]),
        ("demo", {**_ENTRY, "overflow": "chunk"}, ["(a:11.0)"]),
        (
            "demo",
            {**_ENTRY, "overflow": "truncate"},
            ["a red circle on a blue background with a (green:1.2) square", ""],
        ),
        ("demo", {**_ENTRY, "overflow": "refuse"}, ["a red circle", "é日 it's a red circle on 'a' blue background\n"]),
        ("demo", {**_BARE, "overflow": "chunk"}, ["a red circle on a blue background", ""]),
        ("inversions", {**_INVERTED, "overflow": "chunk"}, ["a <x> (red <x>:1.5)", "<X> ared"]),
        ("inversions", {**_INVERTED, "overflow": "refuse"}, ["<x> " * 20]),
    )
)
"""Prompts as an encoder reads them."""


def prompt_tokenizers() -> dict[str, Record | str]:
    """The tokenizers of `PROMPTS`, as `tokenizers` has them."""
    words = [_token(word, normalized=False) for word in ("<x>", "<x>_1", "<x>_2", "red", "red_1")]
    return {"demo": DEMO, "inversions": _whole(_letters("aeirdt <>x_12"), added_tokens=words)}


def prompts() -> list[Record]:
    """`PROMPTS`, with pieces, ids and weights, or the error."""
    with TemporaryDirectory() as folder:
        return [{**case, **_prompt(case, Path(folder))} for case in PROMPTS]


def _prompt(case: Record, folder: Path) -> Record:
    tokenizer = prompt_tokenizers()[case["tokenizer"]]
    file = ROOT / tokenizer if isinstance(tokenizer, str) else folder / "tokenizer.json"
    if not isinstance(tokenizer, str):
        file.write_text(json.dumps(tokenizer), "utf-8")
    try:
        read = Prompts(file, TokenizerEntry(**case["entry"]))
        pieces = read.pieces(case["prompts"])
        tokens = read.tokens(case["prompts"], pieces)
    except LatentLinkError as error:
        return {"status": int(error.status), "message": error.message, "remedy": error.remedy}
    return {"pieces": pieces, "ids": tokens.ids.ravel().tolist(), "weights": tokens.weights.ravel().tolist()}


def weighted() -> list[Record]:
    """`PARTS`, with their parts and weights, or the error."""
    made: list[Record] = []
    for prompt in PARTS:
        try:
            made.append({"prompt": prompt, "parts": weighted_parts(prompt)})
        except LatentLinkError as error:
            made.append({"prompt": prompt, "message": error.message, "remedy": error.remedy})
    return made


def tokens() -> dict[str, Any]:
    """All but the digests."""
    return {
        "texts": TEXTS,
        "tokenizers": [{"name": name, "is": value} for name, value in tokenizers().items()],
        "patterns": [*PATTERNS],
        "forms": FORMS,
        "refused": refused(),
        "weighted": weighted(),
        "prompt_tokenizers": [{"name": name, "is": value} for name, value in prompt_tokenizers().items()],
        "prompts": prompts(),
    }
