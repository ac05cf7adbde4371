"""A small tokenizer of each kind that text encoders use, as the library writes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from latentlink.engine.tokenizers.patterns import PATTERNS

WORDS = ("red", "circle", "blue", "a")


def pattern(name: str) -> str:
    """The expression of this name."""
    return next(expression for expression, title in PATTERNS.items() if title == name)


def bpe(letters: str, words: tuple[str, ...], **options: Any) -> models.BPE:
    """Byte-pair encoding in which each word is one token."""
    tokens: dict[str, None] = dict.fromkeys(["<unk>", *letters])
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        for end in range(2, len(word) + 1):
            tokens[word[:end]] = None
            merges[word[: end - 1], word[end - 1]] = None
    return models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=list(merges), **options)


def clip() -> Tokenizer:
    """As of CLIP, without the ends of words."""
    made = Tokenizer(bpe("abcdeiloru", WORDS, unk_token="<unk>", continuing_subword_prefix="", end_of_word_suffix=""))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern("words of CLIP")), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.RobertaProcessing(("<unk>", 0), ("<unk>", 0))
    return made


def t5() -> Tokenizer:
    """As of T5: unigram, with a table of sentencepiece."""
    made = Tokenizer(
        models.Unigram([("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0), ("▁red", -3.0), ("a", -4.0)], 2)
    )
    made.normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(base64.b64decode(charsmap({"\t": " ", "ﬁ": "fi"}))),
            normalizers.Strip(left=False, right=True),
            normalizers.Replace(Regex(" {2,}"), "▁"),
        ]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return made


def qwen() -> Tokenizer:
    """As of Qwen 2 and 3: byte-level."""
    made = Tokenizer(bpe("abcdeilorutĠ", ("Ġred", "red"), byte_fallback=False))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern("words of Qwen 2 and 3")), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    made.add_tokens([AddedToken("<|im_start|>", special=True), AddedToken("<think>", lstrip=True, single_word=True)])
    return made


def gemma() -> Tokenizer:
    """As of Gemma: bytes for what is not in the vocabulary."""
    made = Tokenizer(bpe("abcdeiloru▁", ("▁red", "red"), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return made


def llama() -> Tokenizer:
    """As of Llama 2 and the first Mistral."""
    made = Tokenizer(bpe("abcdeiloru▁", ("▁red",), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return made


SAMPLES: Mapping[str, Callable[[], Tokenizer]] = {"clip": clip, "t5": t5, "qwen": qwen, "gemma": gemma, "llama": llama}


def record(kind: str) -> dict[str, Any]:
    """A sample as JSON values."""
    made: dict[str, Any] = json.loads(SAMPLES[kind]().to_str())
    return made


def charsmap(replaced: Mapping[str, str]) -> str:
    """A table of sentencepiece, in base64: each unit's children are in a block of 256 units of their own."""
    texts, places = b"", {}
    for character, text in replaced.items():
        places[character.encode()] = len(texts)
        texts += text.encode() + b"\0"
    blocks = {b"": 0}
    for key in places:
        for end in range(1, len(key) + 1):
            blocks.setdefault(key[:end], len(blocks))
    units = np.zeros(256 * (len(blocks) + 1), np.uint32)
    position = {b"": 0}
    for key, block in blocks.items():
        base = 256 * (block + 1)
        if key:
            position[key] = 256 * (blocks[key[:-1]] + 1) ^ key[-1]
        # offset ^ position is the place of the children: the low byte of an offset is the position's own
        offset = base ^ position[key] if key else base
        units[position[key]] = offset << 10 | (1 << 8 if key in places else 0) | (key[-1] if key else 0)
        if key in places:
            units[base] = 1 << 31 | places[key]
    return base64.b64encode(len(units.tobytes()).to_bytes(4, "little") + units.tobytes() + texts).decode()
