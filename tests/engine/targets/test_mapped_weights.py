"""Weights that leave memory as they are read: what is read stays the same, and is not held."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latentlink.engine.targets.mapped_weights import MappedWeights

SIZE = 64 << 20


def resident() -> int:
    """Bytes of this process that come from files or are its own."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_what_was_read_is_not_held_and_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(np.arange(SIZE // 4, dtype=np.uint32).tobytes())
    weights = MappedWeights(file)
    before = resident()
    with weights.releasing():
        total = int(weights.bytes.view(np.uint32).sum(dtype=np.uint64))
    assert resident() - before < SIZE // 4
    assert int(weights.bytes.view(np.uint32).sum(dtype=np.uint64)) == total == (SIZE // 4) * (SIZE // 4 - 1) // 2
    assert resident() - before > SIZE // 2
    weights.release()
    assert resident() - before < SIZE // 4


def test_a_file_of_no_weights_is_one_that_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    MappedWeights(tmp_path / "model.bin").release()
