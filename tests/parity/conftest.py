"""Both systems on every checkpoint of the suite, opened when first asked for, and the page that the suite writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

from latentlink.bench.parity import Agreement, Sides, table
from latentlink.bench.parity_suite import SPACES
from latentlink.bench.random_checkpoint import make_checkpoint
from latentlink.engine.build import build_bundle
from latentlink.export.exporter import export_checkpoint
from latentlink.export.recipes.options import Options

Rows: TypeAlias = dict[tuple[str, ...], list[Agreement]]
DEMO, FAMILIES = ("sampler", "diffusers' class"), ("family", "pipeline", "sampler")
FOUND: pytest.StashKey[dict[tuple[str, ...], Rows]] = pytest.StashKey()

PAGE = """# Parity with diffusers

Final latents (norm of the difference over the norm of diffusers' latents) and pictures (PSNR of the worst one) at equal
seeds, float32 on both sides, worst over all cases of a row. Expected: at most 1e-3, at least 45 dB. The whole page is
made by `pytest tests/parity --write-table docs/parity.md`.

## Samplers
The demo model: 10 seeds, guidance 1 and 5, one picture and three, 64x64 and 96x64, 20 steps.

{demo}
## Families
Small checkpoints with random weights and the family's own classes (`python -m latentlink.bench.random_checkpoint`):
64x64 and 128x64, one picture and three, with and without a negative prompt where the model reads one, 10 steps, 4 for
distilled models. The first sampler of each is the checkpoint's own.

{families}"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-table", type=Path, help="Run every case and write the page of docs/ here.")


def pytest_configure(config: pytest.Config) -> None:
    found: dict[tuple[str, ...], Rows] = {DEMO: {}, FAMILIES: {}}
    config.stash[FOUND] = found


def pytest_sessionfinish(session: pytest.Session) -> None:
    out = session.config.getoption("--write-table", default=None)
    if out is not None:
        found = session.config.stash[FOUND]
        page = PAGE.format(demo=table(DEMO, found[DEMO]), families=table(FAMILIES, found[FAMILIES]))
        out.write_text(page, encoding="utf-8")


@pytest.fixture(scope="session")
def record(pytestconfig: pytest.Config) -> Callable[[tuple[str, ...], Agreement], None]:
    """Keeps an agreement for the page; a row of two words is of the demo's table, one of three of the families'."""

    def keep(row: tuple[str, ...], agreement: Agreement) -> None:
        columns = DEMO if len(row) == len(DEMO) else FAMILIES
        pytestconfig.stash[FOUND][columns].setdefault(row, []).append(agreement)

    return keep


@pytest.fixture(scope="session")
def bundle_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """The folders of a checkpoint of the suite, and of the bundle made from it."""
    root = tmp_path_factory.mktemp("families")

    @cache
    def made(size: str) -> tuple[Path, Path]:
        checkpoint = make_checkpoint(size, root / size / "checkpoint")
        export_checkpoint(checkpoint, root / size / "export", options=Options(space=SPACES[size]))
        build_bundle(root / size / "export", root / size / "bundle")
        return checkpoint, root / size / "bundle"

    return made


@pytest.fixture(scope="session")
def sides_of(bundle_of: Callable[[str], tuple[Path, Path]]) -> Iterator[Callable[[str], Sides]]:
    """Both systems, opened on a checkpoint of the suite."""
    opened: dict[str, Sides] = {}

    def of(size: str) -> Sides:
        if size not in opened:
            opened[size] = Sides(*bundle_of(size))
        return opened[size]

    yield of
    for sides in opened.values():
        sides.ours.close()
