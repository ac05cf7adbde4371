"""Tokenizers of any vocabulary size, in the file formats of the published ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentlink.bench.checkpoints.specs import TokenizerSpec

END = "<|endoftext|>"


def write_tokenizer(folder: Path, spec: TokenizerSpec) -> None:
    """Write a tokenizer's files into a new folder."""
    folder.mkdir(parents=True)
    if spec.kind == "CLIPTokenizer":
        write_clip_tokenizer(folder, spec)
    else:
        write_t5_tokenizer(folder, spec)


def write_clip_tokenizer(folder: Path, spec: TokenizerSpec) -> None:
    """A byte-level BPE tokenizer in CLIP's files; its merges are pairs of letters in order."""
    codes = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [chr(code) for code in codes] + [chr(256 + n) for n in range(256 - len(codes))]
    tokens = letters + [letter + "</w>" for letter in letters]
    left = spec.vocabulary - len(tokens) - 2
    pairs = [(first, second) for first in letters for second in letters][:left]
    tokens += [first + second for first, second in pairs] + ["<|startoftext|>", END]
    write_json(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    merges = "\n".join(["#version: 0.2", *(f"{first} {second}" for first, second in pairs)])
    (folder / "merges.txt").write_text(merges + "\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": END, "unk_token": END, "pad_token": spec.pad}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        special | {"tokenizer_class": "CLIPTokenizer", "model_max_length": spec.length, "do_lower_case": True},
    )


def write_t5_tokenizer(folder: Path, spec: TokenizerSpec) -> None:
    """A unigram tokenizer in T5's files: characters, and pairs of lower-case letters that score above two letters."""
    from tokenizers import Tokenizer as Fast
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

    ascii_letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    small = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [("▁", -2.0), *((letter, -4.0) for letter in ascii_letters), *((f"▁{letter}", -5.0) for letter in small)]
    pairs = [first + second for first in small for second in small]
    left = spec.vocabulary - len(pieces) - 3
    pieces += [(pair, -6.0 - number / len(pairs)) for number, pair in enumerate(pairs[:left])]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), *pieces]
    fast = Fast(models.Unigram(vocabulary, unk_id=2))
    fast.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    fast.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    fast.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    fast.add_special_tokens(["<pad>", "</s>", "<unk>"])
    fast.save(str(folder / "tokenizer.json"))
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": spec.pad}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        special | {"tokenizer_class": "T5Tokenizer", "model_max_length": spec.length, "extra_ids": 0},
    )


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` as JSON with an indent of two spaces."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
