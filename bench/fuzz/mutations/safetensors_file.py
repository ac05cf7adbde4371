"""Mutations of safetensors files: of their header, their data and what both say of each other."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from latentlink.bench.fuzz.mutations.json_values import mutate_json
from latentlink.bench.fuzz.mutations.mutation import Mutation, short

METADATA = "__metadata__"

DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F4", "C64", "XX")

PATTERNS = (b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff")
"""NaN, infinity, the largest number, 0 and -1 as float32 or int32."""


def mutate_safetensors(rng: Random, path: Path) -> Mutation:
    """Change a safetensors file in place."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header, body = data[8 : 8 + size], data[8 + size :]
    how = rng.choice(["json", "json", "metadata", "tensor", "tensor", "body", "body", "length", "name"])
    if how == "length":
        length = rng.choice([0, 1, size - 1, size + 1, len(data), 2**31, 2**63, 2**64 - 1])
        path.write_bytes(struct.pack("<Q", length) + data[8:])
        return Mutation(what="header: another length", detail=str(length))
    if how == "body":
        body, mutation = _change_body(rng, body)
    elif how == "json":
        header, mutation = mutate_json(rng, header)
    else:
        record = json.loads(header)
        names = [name for name in record if name != METADATA]
        change = {"metadata": _change_metadata, "tensor": _change_tensor, "name": _change_name}[how]
        mutation = change(rng, record, names)
        header = json.dumps(record).encode("utf-8", "surrogatepass")
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    return mutation


def _change_body(rng: Random, body: bytes) -> tuple[bytes, Mutation]:
    at = rng.randrange(max(1, len(body) - 4)) & ~3
    pattern = rng.choice(PATTERNS)
    end = rng.randrange(at, len(body) + 1)
    name, new = rng.choice(
        [
            ("cut off", body[:at]),
            ("longer", body + bytes(rng.choice([1, 4096]))),
            ("a number", body[:at] + pattern + body[at + 4 :]),
            ("a range of equal numbers", body[:at] + (pattern * (len(body) // 4 + 1))[: end - at] + body[end:]),
            ("a bit", body[:at] + bytes([(body[at] if body else 0) ^ (1 << rng.randrange(8))]) + body[at + 1 :]),
            ("shuffled", body[end:] + body[:end]),
        ]
    )
    return new, Mutation(what=f"data: {name}", detail=f"from byte {at}")


def _change_metadata(rng: Random, record: dict[str, Any], names: Sequence[str]) -> Mutation:
    metadata = record.setdefault(METADATA, {})
    key = rng.choice([*metadata, "format", "modelspec.architecture"])
    old = metadata.get(key, "")
    try:
        text, inner = mutate_json(rng, str(old).encode())
        metadata[key] = text.decode("utf-8", "replace")
        return Mutation(what=f"metadata {key}: {inner.what}", detail=inner.detail)
    except ValueError:  # it is no JSON
        metadata[key] = rng.choice(["", "x" * 100_000, "[/red]", "\x00", "NaN", old * 2])
        return Mutation(what=f"metadata {key}: changed", detail=short(metadata[key]))


def _change_tensor(rng: Random, record: dict[str, Any], names: Sequence[str]) -> Mutation:
    name = rng.choice(names)
    entry = record[name]
    how = rng.choice(["dtype", "shape", "shape", "offsets", "swap", "delete", "alias"])
    if how == "dtype":
        entry["dtype"] = rng.choice(DTYPES)
    elif how == "shape":
        shape = list(entry["shape"])
        entry["shape"] = rng.choice(
            [[], [0], [*shape, 1], [1, *shape], shape[::-1], [-1, *shape[1:]], [2**62, 4], [2**33, 2**33], [1] * 100]
        )
    elif how == "offsets":
        first, last = entry["data_offsets"]
        entry["data_offsets"] = rng.choice(
            [[last, first], [0, last], [first, 2**62], [-1, last], [first], [first, first]]
        )
    elif how == "swap":
        other = rng.choice(names)
        record[name], record[other] = record[other], record[name]
    elif how == "delete":
        del record[name]
    else:
        record[f"{name}.copy"] = dict(entry)
    return Mutation(what=f"tensor: {how}", detail=f"{short(name)}: {short(record.get(name))}")


def _change_name(rng: Random, record: dict[str, Any], names: Sequence[str]) -> Mutation:
    how = rng.choice(["prefix", "prefix of all", "suffix", "hostile"])
    chosen = list(names) if how == "prefix of all" else [rng.choice(names)]
    prefix = rng.choice(
        [
            "model.diffusion_model.",
            "first_stage_model.",
            "cond_stage_model.transformer.",
            "lora_unet_",
            "vae.",
            "module.",
        ]
    )
    suffix = rng.choice([".lora_up.weight", ".alpha", ".scale_weight", ".weight_scale", ".comfy_quant"])
    hostile = rng.choice(["", "\x1b[31m", "[/red]", "x" * 70_000, "../up", "a." * 3000, "\u202e"])
    for name in chosen:
        new = prefix + name if how.startswith("prefix") else name + suffix if how == "suffix" else hostile
        record[new] = record.pop(name)
    return Mutation(what=f"name: {how}", detail=short(prefix if how.startswith("prefix") else suffix))
