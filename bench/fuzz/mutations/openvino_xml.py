"""Mutations of OpenVINO engines: of the XML and of the weights beside it."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from xml.etree import ElementTree

from latentlink.bench.fuzz.mutations.mutation import Mutation, short
from latentlink.bench.fuzz.mutations.rehash import rehash

VALUES = (
    "", "0", "-1", "1", "3", "64", "1,64", "2147483648", "9223372036854775807", "1e9", "nan", "f64", "f16", "i4", "u1",
    "string", "Parameter", "Result", "Const", "Loop", "TensorIterator", "ReadValue", "x" * 10_000, "\u202e", "opset1",
    "opset99", "1,1,1,1,1,1,1,1,1", "100000,100000,100000",
)  # fmt: skip

HEAD = '<?xml version="1.0"?>\n'

ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
"""Nine entities, each of ten of the one before."""


def mutate_openvino(rng: Random, case: Path) -> Mutation:
    """Change one engine."""
    path = rng.choice(sorted((case / "engines").rglob("*.xml")))
    how = rng.random()
    if how < 0.2:
        mutation = _change_text(rng, path)
    elif how < 0.35:
        mutation = _change_weights(rng, path.with_suffix(".bin"))
    else:
        mutation = _change_tree(rng, path)
    rehash(case)
    return Mutation(what=f"{path.parent.parent.name}, {mutation.what}", detail=mutation.detail)


def _change_tree(rng: Random, path: Path) -> Mutation:
    tree = ElementTree.parse(path)
    root = tree.getroot()
    parents = {child: parent for parent in root.iter() for child in parent}
    tag = rng.choice(sorted({element.tag for element in parents}))
    element = rng.choice([one for one in parents if one.tag == tag])
    how = rng.choice(["attribute", "attribute", "attribute", "remove", "copy", "move", "text"])
    if how == "attribute" and element.attrib:
        key = rng.choice([*element.attrib])
        old = element.get(key)
        others = [one.get(key, "") for one in root.iter(tag) if key in one.attrib]
        element.set(key, rng.choice([*VALUES, *rng.sample(others, min(5, len(others)))]))
        mutation = Mutation(what=f"{tag} {key}: changed", detail=f"{short(old, 30)} to {short(element.get(key), 30)}")
    elif how == "remove":
        parents[element].remove(element)
        mutation = Mutation(what=f"{tag}: removed")
    elif how == "copy":
        parents[element].append(element)
        mutation = Mutation(what=f"{tag}: twice")
    elif how == "move":
        parents[element].remove(element)
        rng.choice([root, *parents.values()]).append(element)
        mutation = Mutation(what=f"{tag}: moved")
    else:
        element.text = rng.choice(VALUES)
        mutation = Mutation(what=f"{tag}: text", detail=short(element.text))
    tree.write(path, encoding="utf-8", xml_declaration=True)
    return mutation


def _change_text(rng: Random, path: Path) -> Mutation:
    text = path.read_text(encoding="utf-8")
    body = re.sub(r"^<\?xml[^>]*\?>\s*", "", text)
    at = rng.randrange(len(text))

    def inside(more: str) -> str:
        return body.replace("<layers>", f"<layers>{more}", 1)

    name, new = rng.choice(
        [
            ("cut off", text[:at]),
            ("empty", ""),
            ("a character", text[:at] + rng.choice("<>&\"'\x00\x7f") + text[at + 1 :]),
            ("a billion laughs", f'{HEAD}<!DOCTYPE net [<!ENTITY e0 "ha">{ENTITIES}]>{inside("&e9;")}'),
            ("an outer entity", f'{HEAD}<!DOCTYPE net [<!ENTITY e SYSTEM "file:///etc/passwd">]>{inside("&e;")}'),
            ("deep", HEAD + "<net>" * 200_000 + "</net>" * 200_000),
            ("a long attribute", HEAD + body.replace('name="', 'name="' + "x" * 10_000_000, 1)),
            ("another root", HEAD + body.replace("<net ", "<other ", 1).replace("</net>", "</other>")),
            ("an include", HEAD + inside('<xi:include href="file:///etc/passwd"/>')),
            ("ONNX", "\x08\x0a"),
        ]
    )
    path.write_text(new, encoding="utf-8")
    return Mutation(what=f"text: {name}")


def _change_weights(rng: Random, path: Path) -> Mutation:
    data = path.read_bytes()
    at = rng.randrange(len(data)) & ~3
    name, new = rng.choice(
        [
            ("cut off", data[:at]),
            ("empty", b""),
            ("a bit", data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]),
            ("NaN", data[:at] + b"\x00\x00\xc0\x7f" * 64 + data[at + 256 :]),
            ("zeros", data[:at] + bytes(256) + data[at + 256 :]),
            ("zeros to the end", data[:at] + bytes(len(data) - at)),
        ]
    )
    path.write_bytes(new)
    return Mutation(what=f"weights: {name}", detail=f"at byte {at} of {len(data)}")
