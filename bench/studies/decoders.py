"""Which decoders are admitted, and why: measures the tables and the picture of docs/compatibility.md.

`python -m latentlink.bench.studies.decoders docs` writes docs/compatibility.md between its marks, and
docs/pictures/compatibility.png; it takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

import latentlink.runtime as runtime
from latentlink.bench.checkpoints.random_checkpoint import make_checkpoint
from latentlink.bench.studies.faulty_bundles import (
    Edit,
    affine_input,
    copy_bundle,
    forged,
    noisy_weights,
    permuted_input,
    renamed_space,
)
from latentlink.demo import checkpoint
from latentlink.demo.draw import STYLES, batch
from latentlink.demo.grammar import held_out
from latentlink.engine.build import build_bundle
from latentlink.engine.bundle import Bundle, RunEngine
from latentlink.engine.quality import psnr
from latentlink.errors import LinkError
from latentlink.export.exporter import export_checkpoint
from latentlink.export.options import Options
from latentlink.runtime.bundle_names import bundle_path
from latentlink.runtime.loading import open_component
from latentlink.runtime.probing import Candidate, judge, load_probes, runner
from latentlink.runtime.probing.candidate import LEAST_SNR, MOST_GAIN

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

PICTURES = 20
"""Held-out captions that demo draws to look at a decoder with."""

RANDOM = {"sd": "tiny-sd1", "sdxl": "tiny-sdxl", "sd3": "tiny-sd3", "flux1": "tiny-flux-dev"}
"""A random checkpoint of each known space."""

CORRUPTIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One decoder in the place of another.

    Args:
        host: Whose latents it is given.
        decoder: What it is.
        right: Whether it truly reads them.
        symbols: Whether its symbols are the host's.
        found: What the probes measured; None where the shapes differ.
    """

    host: str
    decoder: str
    right: bool
    symbols: bool
    found: Candidate

    @property
    def admitted(self) -> bool:
        """What `load` says: symbols first, then the probes."""
        return self.symbols and self.found.accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupted:
    """A corruption of demo's own decoder, its symbols unchanged.

    Args:
        kind: `scaling`, `shift`, `channels` or `weights`.
        lost: dB that reconstructions of new pictures lose.
        seen: dB of its pictures against the right decoder's, on latents that demo drew.
        found: What the probes measured.
    """

    kind: str
    lost: float
    seen: float
    found: Candidate


def tried(folder: Path) -> Iterator[Tried]:
    """Right and wrong decoders of the demo models and of random ones of every known space.

    Args:
        folder: For the bundles that it takes.
    """
    demo, other = bundle_path("demo"), bundle_path("demo-b")
    own = Bundle.open(demo)
    reads = own.manifest.components["vae_decoder"].inputs[0].tensor
    scaled = copy_bundle(demo, folder / "scaled", {"vae_decoder": affine_input(reads, 1.4, 0.0)})
    space = replace(own.manifest.spaces[0], scaling=own.manifest.spaces[0].scaling / 1.4)
    candidates: Mapping[str, tuple[Path, bool]] = {
        "its own": (demo, True),
        "its own, in float16": (_vae(_half(folder / "half-vae"), folder / "half", demo, "float16"), True),
        "fine-tuned (demo-ft)": (_vae(checkpoint("demo-ft"), folder / "ft", demo), True),
        "tiny (demo-tiny)": (bundle_path("demo-tiny"), True),
        "demo-b's": (other, False),
        "demo-b's, symbol forged": (forged(other, folder / "liar", "vae_decoder", own), False),
        "its own with scaling x1.4": (renamed_space(scaled, folder / "honest", "vae_decoder", space), False),
        "its own with scaling x1.4, symbol forged": (scaled, False),
    }
    for decoder, (path, right) in candidates.items():
        yield _try("demo", demo, decoder, path, right)
    theirs = Bundle.open(other)
    yield _try("demo-b", other, "its own", other, True)
    yield _try("demo-b", other, "demo's", demo, False)
    yield _try("demo-b", other, "demo's, symbol forged", forged(demo, folder / "liar-b", "vae_decoder", theirs), False)
    tiny = forged(bundle_path("demo-tiny"), folder / "liar-tiny", "vae_decoder", theirs)
    yield _try("demo-b", other, "demo-tiny's, symbol forged", tiny, False)
    yield from _random(folder)


def _random(folder: Path) -> Iterator[Tried]:
    """Random VAEs of the known spaces: every one under its own symbol, and under that of all others of its shape."""
    bundles = {
        space: _vae(make_checkpoint(kind, folder / kind) / "vae", folder / f"vae-{space}", space)
        for space, kind in RANDOM.items()
    }
    opened = {space: Bundle.open(path) for space, path in bundles.items()}
    for host, path in bundles.items():
        entry = opened[host].manifest.components["vae_decoder"].inputs[0]
        for name, donor in bundles.items():
            theirs = opened[name].manifest.components["vae_decoder"].inputs[0]
            if name == host:
                yield _try(f"random {host}", path, "its own", path, True)
                bad = {"vae_decoder": affine_input(entry.tensor, 1.4, 0.0)}
                wrong = copy_bundle(path, folder / f"scaled-{host}", bad)
                yield _try(f"random {host}", path, "its own with scaling x1.4, symbol forged", wrong, False)
            elif theirs.size("c") == entry.size("c"):
                liar = forged(donor, folder / f"{name}-as-{host}", "vae_decoder", opened[host])
                yield _try(f"random {host}", path, f"random {name}'s", donor, False)
                yield _try(f"random {host}", path, f"random {name}'s, symbol forged", liar, False)


def _half(out: Path) -> Path:
    """A copy of demo's VAE that says it fits float16, which it does."""
    shutil.copytree(checkpoint("demo") / "vae", out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8")) | {"force_upcast": False}
    (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return out


def _vae(source: Path, out: Path, space: str | Path, dtype: str = "float32") -> Path:
    """Export and build a VAE alone, in a known space or in that of a bundle."""
    named = Bundle.open(space).manifest.spaces[0] if isinstance(space, Path) else space
    exported = out.with_name(f"{out.name}-exported")
    export_checkpoint(source, exported, options=Options(space=named, dtype=dtype))
    build_bundle(exported, out)
    return out


def _try(host: str, host_path: Path, decoder: str, path: Path, right: bool) -> Tried:
    """Run a decoder on the host's golden latents, whatever its symbols say."""
    found = open_component(path, "vae_decoder")
    bundle = Bundle.open(host_path)
    entry = bundle.manifest.components["vae_decoder"]
    if found is None:
        raise LinkError(f"{path} has no vae_decoder.")
    engine, _ = found
    with closing(engine.session):
        ports = (*engine.session.inputs, *engine.session.outputs)
        names = {a.tensor: b.tensor for a, b in zip((*entry.inputs, *entry.outputs), ports, strict=True)}
        back = {new: old for old, new in names.items()}
        run = runner(engine.session)

        def renamed(inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
            made = run({names[tensor]: array for tensor, array in inputs.items()})
            return {back[tensor]: array for tensor, array in made.items()}

        probes = load_probes(bundle, "vae_decoder", entry)
        measured = judge(probes, renamed, entry.inputs, entry.outputs)
    return Tried(
        host=host, decoder=decoder, right=right, symbols=names == dict(zip(names, names, strict=True)), found=measured
    )


def corrupted(folder: Path, count: int = CORRUPTIONS) -> Iterator[Corrupted]:
    """Random corruptions of demo's decoder, a quarter of each kind.

    Args:
        folder: For the engines.
        count: How many.
    """
    rng = np.random.default_rng(4)
    demo = bundle_path("demo")
    bundle = Bundle.open(demo)
    entry = bundle.manifest.components["vae_decoder"]
    reads = entry.inputs[0].tensor
    channels = entry.inputs[0].size("c")
    with runtime.load("demo") as pipe:
        drawn = pipe.generate(
            [scene.caption for scene in held_out()[:PICTURES]], seed=0, steps=25, sampler="dpmpp_2m", guidance=5.0
        ).latents.array
        new = np.concatenate([batch(list(held_out()[:PICTURES]), style, np.random.default_rng(5)) for style in STYLES])
        from PIL import Image

        encoded = pipe.encode([Image.fromarray(picture) for picture in new]).array
        decoder = next(engine for engine in pipe.engines if engine.component == "vae_decoder")
        probes = load_probes(bundle, "vae_decoder", entry)
        right = runner(decoder.session)
        own, best = _pictures(right, entry.inputs[0].tensor, drawn), _pictures(right, reads, encoded)
    kinds: Mapping[str, Callable[[], Edit]] = {
        "scaling": lambda: affine_input(reads, float(np.exp(rng.uniform(-1.4, 1.4))), 0.0),
        "shift": lambda: affine_input(
            reads, 1.0, float(np.exp(rng.uniform(-4, 0.5))) * rng.standard_normal((1, channels, 1, 1))
        ),
        "channels": lambda: permuted_input(reads, _moved(rng, channels)),
        "weights": lambda: noisy_weights(float(np.exp(rng.uniform(-6, -0.7))), int(rng.integers(1 << 30))),
    }
    for number in range(count):
        kind = [*kinds][number % len(kinds)]
        bad = copy_bundle(demo, folder / f"corrupted-{number}", {"vae_decoder": kinds[kind]()})
        found = open_component(bad, "vae_decoder")
        if found is None:
            raise LinkError(f"{bad} has no vae_decoder.")
        with closing(found[0].session) as session:
            run = runner(session)
            yield Corrupted(
                kind=kind,
                lost=psnr(new, best) - psnr(new, _pictures(run, reads, encoded)),
                seen=psnr(own, _pictures(run, reads, drawn)),
                found=judge(probes, run, session.inputs, session.outputs),
            )


def _moved(rng: np.random.Generator, channels: int) -> NDArray[np.int64]:
    """An order of the channels that is not theirs."""
    while True:
        order = rng.permutation(channels)
        if (order != np.arange(channels)).any():
            return order


def _pictures(run: RunEngine, reads: str, latents: NDArray[np.floating]) -> NDArray[np.uint8]:
    made: NDArray[np.uint8] = np.concatenate([next(iter(run({reads: row[None]}).values())) for row in latents])
    return made


def tables(rows: list[Tried], corruptions: list[Corrupted]) -> str:
    """Both tables, in Markdown."""
    lines = [
        "| latents of | decoder | symbols | PSNR on probes | explained | correction gains | verdict |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    for row in rows:
        verdict = "admitted" if row.admitted else f"refused by the {'probe' if row.symbols else 'symbol'}"
        cells = (
            row.host,
            row.decoder,
            "equal" if row.symbols else "differ",
            _db(row.found.agreement.psnr),
            _db(row.found.snr),
            _gained(row.found),
            verdict if row.admitted == row.right else f"**wrong: {verdict}**",
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| corruption of demo's decoder | tried | change pictures by over 1 dB | of these refused | admitted of these: "
        "least PSNR, explained | refused of the others |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for kind in dict.fromkeys(row.kind for row in corruptions):
        found = [row for row in corruptions if row.kind == kind]
        matter = [row for row in found if abs(row.lost) > 1]
        passed = [row for row in matter if row.found.accepted]
        least = (
            "none" if not passed else f"{min(r.seen for r in passed):.1f} dB, {min(r.found.snr for r in passed):.1f} dB"
        )
        others = [row for row in found if abs(row.lost) <= 1]
        lines.append(
            f"| {kind} | {len(found)} | {len(matter)} | {len(matter) - len(passed)} | {least} | "
            f"{sum(not row.found.accepted for row in others)} of {len(others)} |"
        )
    return "\n".join(lines)


def _db(value: float) -> str:
    return "equal" if value == float("inf") else f"{value:.1f} dB"


def _gained(found: Candidate) -> str:
    return "" if found.same or found.snr < LEAST_SNR else f"{found.gained:.1f} dB"


def plot(rows: list[Tried], corruptions: list[Corrupted], out: Path) -> None:
    """Every decoder by what it explains and what a correction would gain, with the limits."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.5), layout="constrained")
    groups: list[tuple[str, list[Candidate], str, str]] = [
        (f"corrupted: {kind}", [row.found for row in corruptions if row.kind == kind], marker, colour)
        for kind, marker, colour in (
            ("scaling", "x", "#d95f02"),
            ("shift", "+", "#e7298a"),
            ("channels", "v", "#a6761d"),
            ("weights", ".", "#7570b3"),
        )
    ]
    groups.append(("wrong", [row.found for row in rows if not row.right], "s", "#b2182b"))
    groups.append(("right", [row.found for row in rows if row.right], "o", "#1b7837"))
    for label, found, marker, colour in groups:
        x = [min(max(c.snr, -10), 70) for c in found]
        y = [min(max(c.gained, 0.01), 60) for c in found]
        axes.scatter(x, y, marker=marker, color=colour, label=label, s=28 if marker != "." else 40)
    axes.axvline(LEAST_SNR, color="#555", linewidth=1, linestyle="--")
    axes.axhline(MOST_GAIN, color="#555", linewidth=1, linestyle="--")
    axes.set_yscale("log")
    axes.set_xlabel("explained of the golden pictures, dB")
    axes.set_ylabel("gained by an affine correction, dB")
    axes.legend(fontsize=8, loc="upper right")
    figure.savefig(out, dpi=110)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("docs", type=Path)
    parser.add_argument("--count", type=int, default=CORRUPTIONS)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        rows = [*tried(Path(folder))]
        corruptions = [*corrupted(Path(folder), asked.count)]
    page = asked.docs / "compatibility.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{tables(rows, corruptions)}\n{END}{after}", encoding="utf-8")
    plot(rows, corruptions, asked.docs / "pictures" / "compatibility.png")


if __name__ == "__main__":
    main()
