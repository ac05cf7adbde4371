"""Both systems on every checkpoint of the suite, opened when first asked for, and the page that the suite writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from latentlink.bench.checkpoints.random_checkpoint import make_checkpoint
from latentlink.bench.parity.compare import Agreement, Sides, table
from latentlink.engine.build import build_bundle
from latentlink.export.exporter import export_checkpoint
from latentlink.export.options import Options
from tests.parity.suite import SPACES, SUBJECTS

if TYPE_CHECKING:
    from tests.conftest import Alone

Rows: TypeAlias = dict[tuple[str, ...], list[Agreement]]
DEMO, FAMILIES = ("sampler", "diffusers' class"), ("family", "pipeline", "sampler")
PROPERTY = "parity"

PAGE = """# Parity with diffusers

Final latents (norm of the difference over the norm of diffusers' latents) and pictures (PSNR of the worst one) at equal
seeds, float32 on both sides, worst over all cases of a row. Expected: at most 1e-3, at least 45 dB. The whole page is
made by `pytest tests/parity --write-table docs/parity.md`.

## Samplers
The demo model: 10 seeds, guidance 1 and 5, one picture and three, 64x64 and 96x64, 20 steps. A case may be above 1e-3
only where diffusers is as far from itself when its start noise is rounded differently (3 of 1,200: pndm, dpmpp_2m_sde
and lcm, which amplify the last bit of a float32 number ten thousand times on this small model at guidance 5).

{demo}
## Families
Small checkpoints with random weights and the family's own classes
(`python -m latentlink.bench.checkpoints.random_checkpoint`):
64x64 and 128x64, one picture and three, with and without a negative prompt where the model reads one, 10 steps, 4 for
distilled models. The first sampler of each is the checkpoint's own.

{families}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A checkpoint of the suite and what was made of it.

    Args:
        checkpoint: The diffusers directory.
        exports: Its text encoders and denoiser, and its VAE, before they are built.
        bundle: Its text encoders and denoiser.
        vae: Its VAE.
    """

    checkpoint: Path
    exports: tuple[Path, Path]
    bundle: Path
    vae: Path


class Found:
    """What the cases found, by table and row; with several workers, what all of them did."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], Rows] = {DEMO: {}, FAMILIES: {}}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        value: Any
        for name, value in report.user_properties:
            if report.when == "call" and name == PROPERTY:
                row, numbers = value
                columns = DEMO if len(row) == len(DEMO) else FAMILIES
                self.rows[columns].setdefault(tuple(row), []).append(Agreement(**numbers))


FOUND: pytest.StashKey[Found] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-table", type=Path, help="Run every case and write the page of docs/ here.")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = Found()
    config.pluginmanager.register(config.stash[FOUND])


def pytest_sessionfinish(session: pytest.Session) -> None:
    out = session.config.getoption("--write-table", default=None)
    if out is not None and not hasattr(session.config, "workerinput"):
        found = session.config.stash[FOUND].rows
        # workers report as they go; the page is in the order of the suite
        order = [(one.family, one.pipeline, sampler) for one in SUBJECTS for sampler in one.samplers]
        families: Rows = {row: found[FAMILIES][row] for row in order if row in found[FAMILIES]}
        page = PAGE.format(demo=table(DEMO, found[DEMO]), families=table(FAMILIES, families))
        out.write_text(page, encoding="utf-8")


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[tuple[str, ...], Agreement], None]:
    """Keeps an agreement for the page; a row of two words is of the demo's table, one of three of the families'."""

    def keep(row: tuple[str, ...], agreement: Agreement) -> None:
        request.node.user_properties.append((PROPERTY, [list(row), asdict(agreement)]))

    return keep


STEP_CACHE = ("tiny-sdxl",)
"""Checkpoints that are exported with a shallow denoiser too; this one's reads no text but the pooled one."""


@pytest.fixture(scope="session")
def bundle_of(shared: Path, alone: Alone) -> Callable[[str], Made]:
    """A checkpoint of the suite, the bundle made from it, and the bundle of its latent space's VAE.

    Checkpoints of one space have the same VAE, which is exported once. Workers share what they make.
    """
    root = shared / "families"

    def export(name: str, checkpoint: Path, options: Options) -> Path:
        bundle = root / name / "bundle"
        with alone(root / f"{name}.lock"):
            if not bundle.is_dir():
                export_checkpoint(checkpoint, root / name / "export", options=options)
                build_bundle(root / name / "export", bundle)
        return bundle

    @cache
    def made(size: str) -> Made:
        checkpoint, space = root / size / "checkpoint", SPACES[size]
        with alone(root / f"{size}.lock"):
            if not checkpoint.is_dir():
                make_checkpoint(size, checkpoint)
        vae = export(f"vae-{space}", checkpoint / "vae", Options(space=space))
        cache = 1 if size in STEP_CACHE else None
        bundle = export(
            size, checkpoint, Options(space=space, without=("vae_decoder", "vae_encoder"), step_cache=cache)
        )
        exports = (root / size / "export", root / f"vae-{space}" / "export")
        return Made(checkpoint=checkpoint, exports=exports, bundle=bundle, vae=vae)

    return made


@pytest.fixture(scope="session")
def sides_of(bundle_of: Callable[[str], Made]) -> Iterator[Callable[[str], Sides]]:
    """Both systems, opened on a checkpoint of the suite."""
    opened: dict[str, Sides] = {}

    def of(size: str) -> Sides:
        if size not in opened:
            made = bundle_of(size)
            opened[size] = Sides(made.checkpoint, made.bundle, vae=made.vae)
        return opened[size]

    yield of
    for sides in opened.values():
        sides.ours.close()
