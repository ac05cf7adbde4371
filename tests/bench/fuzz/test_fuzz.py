"""The command: a short run without a finding, and mutations that are the same for the same seed."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from latentlink.bench.fuzz import __main__ as command
from latentlink.bench.fuzz.kinds import KINDS, imported
from latentlink.bench.fuzz.material import Material

LIGHT = ("manifest", "probes", "tokenizer", "onnx", "latents", "picture", "record")
"""Kinds whose valid input is there without an export."""


@pytest.fixture(scope="module")
def material(shared: Path) -> Material:
    return Material(folder=shared / "made" / "fuzz" / "material")


@pytest.mark.parametrize("name", LIGHT)
def test_equal_seeds_make_equal_mutations_and_others_make_others(name: str, material: Material, tmp_path: Path) -> None:
    (base, *_) = material.of(KINDS[name])
    made = {}
    for number, seed in enumerate(("a", "a", "b", "c")):
        case = tmp_path / str(number)
        shutil.copytree(base, case)
        mutation = imported(KINDS[name].mutate)(Random(seed), case)
        files = sorted(path for path in case.rglob("*") if path.is_file())
        made[number] = (str(mutation), [sha256(path.read_bytes()).hexdigest() for path in files])
    assert made[0] == made[1]
    assert made[2] != made[0] or made[3] != made[0]


@pytest.mark.slow  # a process that opens the demo model 25 times
def test_a_short_run_has_no_finding(material: Material) -> None:
    done = CliRunner().invoke(
        command.main, [*LIGHT, "--seed", "10", "--count", "4", "--json", "--work", str(material.folder.parent)]
    )
    assert done.stdout, done.exception
    record = json.loads(done.stdout)
    assert record["findings"] == {}
    assert {name: sum(counts.values()) for name, counts in record["counts"].items()} == dict.fromkeys(LIGHT, 4)
    assert done.exit_code == 0
