"""A small CLIP tokenizer for the demo: byte-level BPE in which every word of the grammar is one token."""

from __future__ import annotations

import json
from pathlib import Path

from latentlink.demo.grammar import words

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77


def vocabulary() -> tuple[list[str], list[tuple[str, str]]]:
    """Tokens by id, and merges in order: a word is merged letter by letter from the left."""
    codes = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [chr(code) for code in codes] + [chr(256 + n) for n in range(256 - len(codes))]
    tokens = letters + [letter + "</w>" for letter in letters]
    known, merges = set(tokens), []
    for word in words():
        pieces = [*word[:-1], word[-1] + "</w>"]
        whole = pieces[0]
        for piece in pieces[1:]:
            if whole + piece not in known:
                known.add(whole + piece)
                tokens.append(whole + piece)
                merges.append((whole, piece))
            whole += piece
    return [*tokens, START, END], merges


def write_tokenizer(folder: Path) -> None:
    """Write `vocab.json`, `merges.txt` and the configs, which all versions of CLIP tokenizers can read."""
    tokens, merges = vocabulary()
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    _write(folder / "special_tokens_map.json", special)
    _write(
        folder / "tokenizer_config.json",
        special | {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "do_lower_case": True},
    )


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
