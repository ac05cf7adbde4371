"""Mutations of how a picture was made, as its file says it: the JSON record, the text, and the bytes around them."""

from __future__ import annotations

from pathlib import Path
from random import Random

from PIL import Image

from latentlink.bench.fuzz.mutations.json_values import HOSTILE, mutate_json
from latentlink.bench.fuzz.mutations.mutation import Mutation, short
from latentlink.runtime.picture_files.metadata import arguments_for, texts_of

KINDS = ("PNG", "JPEG", "WEBP", "TIFF")


def mutate_record(rng: Random, case: Path) -> Mutation:
    """Write the picture in some format with a changed record or text, or with changed bytes around them.

    `made.png` is its name, whatever the format.
    """
    path, kind = case / "made.png", rng.choice(KINDS)
    with Image.open(path) as image:
        record, text = (found or "" for found in texts_of(image))
        how = rng.choice(["record", "record", "record", "text", "bytes"])
        if how == "record":
            changed, mutation = mutate_json(rng, record.encode())
            record = changed.decode("utf-8", "replace")
        elif how == "text":
            record, (text, mutation) = "", _change_text(rng, text)
        else:
            mutation = Mutation(what="bytes", detail="")
        arguments, _ = arguments_for(kind, record=record, text=text)
        image.convert("RGB").save(path, format=kind, **arguments)
    if how == "bytes":
        mutation = _change_bytes(rng, path)
    return Mutation(what=f"{kind}: {mutation.what}", detail=mutation.detail)


def _change_text(rng: Random, text: str) -> tuple[str, Mutation]:
    """Change a setting, a line or a character."""
    at, hostile = rng.randrange(len(text)), str(rng.choice(HOSTILE))
    settings = text.rpartition("\n")[2].split(", ")
    name, _, value = rng.choice(settings).partition(": ")
    what, new = rng.choice(
        [
            (f"{name}: changed", text.replace(f"{name}: {value}", f"{name}: {hostile}")),
            (f"{name}: deleted", text.replace(f"{name}: {value}", "")),
            ("text cut off", text[:at]),
            ("text inserted", text[:at] + hostile + text[at:]),
            ("quotes", text[:at] + '"\\' * rng.choice([1, 1000, 100_000]) + text[at:]),
            ("many settings", text + ", a: b" * 100_000),
            ("many lines", "\n" * 500_000 + text),
            ("no settings", hostile),
        ]
    )
    return new, Mutation(what=what, detail=short(hostile))


def _change_bytes(rng: Random, path: Path) -> Mutation:
    """Change some of the file's first thousand bytes, where its metadata stand."""
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 4])):
        at = rng.randrange(min(len(data), 1000))
        data[at : at + 1] = rng.choice([b"", b"\xff", b"\0", rng.randbytes(1), b"\xff\xff\xff\x7f"])
    path.write_bytes(data)
    return Mutation(what="bytes", detail=f"the last at {at}")
