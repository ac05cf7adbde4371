"""Write the files that fuzzers begin with: those of the vectors and tests, good ones and attacks.

python -m tests.native.fuzzers.corpus FOLDER
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.engine.tokenizers.samples import SAMPLES, record
from tests.engine.tokenizers.test_read import HOSTILE, written
from tests.vectors import manifests, picture_cases, tensor_files


def manifest_files() -> Iterator[bytes]:
    whole = json.loads(manifests.whole_manifest().to_bytes())
    yield from (json.dumps(value).encode() for _, value in manifests.records(whole))
    yield from (text.encode() for text in manifests.TEXTS)
    yield from manifests.BYTES


def tokenizer_files() -> Iterator[bytes]:
    yield from (written(record(kind)) for kind in SAMPLES)
    yield from (written(change(copy.deepcopy(record(kind)))) for kind, change, _ in HOSTILE.values())


KINDS: Mapping[str, Iterable[bytes]] = {
    "manifest": manifest_files(),
    "tokenizer": tokenizer_files(),
    "tensors": [*tensor_files.files(), *(data for data, _ in tensor_files.latents())],
    "picture": [data for _, data in picture_cases.files()],
    "graph": manifests.graphs(),
}
"""By the fuzzer that they are for."""

MOST = 1 << 18
"""Bytes of a file: what is larger slows a fuzzer down, and shows it nothing new."""


def main(folder: Path) -> None:
    for kind, files in KINDS.items():
        place = folder / kind
        place.mkdir(parents=True, exist_ok=True)
        small = [one for one in files if len(one) <= MOST]
        for number, one in enumerate(small):
            (place / f"{number:04}").write_bytes(one)
        sys.stdout.write(f"{place}: {len(small)} files\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
