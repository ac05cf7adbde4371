"""Trials of right, wrong and corrupted decoders in place of a model's own, with what probes measure of each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import latentlink.runtime as runtime
from latentlink.bench.checkpoints import make_checkpoint
from latentlink.bench.studies.faulty_bundles import (
    Edit,
    affine_input,
    copy_bundle,
    forge_symbols,
    noisy_weights,
    permuted_input,
    rename_space,
)
from latentlink.bundle_names import bundle_path
from latentlink.demo import checkpoint
from latentlink.demo.draw import STYLES, batch
from latentlink.demo.grammar import held_out
from latentlink.engine.build import build_bundle
from latentlink.engine.bundle import Bundle, RunEngine
from latentlink.engine.quality import psnr
from latentlink.errors import LinkError
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.exporter import export_checkpoint
from latentlink.runtime.loading import open_component
from latentlink.runtime.probing import CandidateResult, judge, load_probes, runner

PICTURES = 20
"""Number of held-out captions that demo draws to judge a decoder."""


RANDOM = {"sd": "tiny-sd1", "sdxl": "tiny-sdxl", "sd3": "tiny-sd3", "flux1": "tiny-flux-dev"}
"""A random checkpoint of each known space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderTrial:
    """One decoder in place of another.

    Args:
        host: Model whose latents it decodes.
        decoder: Description of the decoder.
        right: Whether it truly reads these latents.
        symbols: Whether its symbols equal the host's.
        candidate: Measurements by the probes.
    """

    host: str
    decoder: str
    right: bool
    symbols: bool
    candidate: CandidateResult

    @property
    def admitted(self) -> bool:
        """Whether `load` admits it: symbols first, then the probes."""
        return self.symbols and self.candidate.accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """A corruption of demo's own decoder, with unchanged symbols.

    Args:
        kind: `scaling`, `shift`, `channels` or `weights`.
        psnr_loss: Loss of PSNR in reconstructions of new pictures, in dB.
        picture_psnr: PSNR of its pictures against the right decoder's, on latents drawn by demo, in dB.
        candidate: Measurements by the probes.
    """

    kind: str
    psnr_loss: float
    picture_psnr: float
    candidate: CandidateResult


def decoder_trials(folder: Path) -> Iterator[DecoderTrial]:
    """Right and wrong decoders of the demo models and of random models of every known space.

    Args:
        folder: Folder for the bundles that are made.
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
        "demo-b's, symbol forged": (forge_symbols(other, folder / "liar", "vae_decoder", own), False),
        "its own with scaling x1.4": (rename_space(scaled, folder / "honest", "vae_decoder", space), False),
        "its own with scaling x1.4, symbol forged": (scaled, False),
    }
    for decoder, (path, right) in candidates.items():
        yield _try("demo", demo, decoder, path, right)
    theirs = Bundle.open(other)
    yield _try("demo-b", other, "its own", other, True)
    yield _try("demo-b", other, "demo's", demo, False)
    yield _try(
        "demo-b", other, "demo's, symbol forged", forge_symbols(demo, folder / "liar-b", "vae_decoder", theirs), False
    )
    tiny = forge_symbols(bundle_path("demo-tiny"), folder / "liar-tiny", "vae_decoder", theirs)
    yield _try("demo-b", other, "demo-tiny's, symbol forged", tiny, False)
    yield from _random(folder)


def _random(folder: Path) -> Iterator[DecoderTrial]:
    """Random VAEs of the known spaces, each under its own symbol and under those of all others of its shape."""
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
                liar = forge_symbols(donor, folder / f"{name}-as-{host}", "vae_decoder", opened[host])
                yield _try(f"random {host}", path, f"random {name}'s", donor, False)
                yield _try(f"random {host}", path, f"random {name}'s, symbol forged", liar, False)


def _half(out: Path) -> Path:
    """A copy of demo's VAE whose config states that it fits float16, which is true."""
    shutil.copytree(checkpoint("demo") / "vae", out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8")) | {"force_upcast": False}
    (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return out


def _vae(source: Path, out: Path, space: str | Path, dtype: str = "float32") -> Path:
    """Export and build a VAE alone, in a known space or in a bundle's."""
    named = Bundle.open(space).manifest.spaces[0] if isinstance(space, Path) else space
    exported = out.with_name(f"{out.name}-exported")
    export_checkpoint(source, exported, options=ExportOptions(space=named, dtype=dtype))
    build_bundle(exported, out)
    return out


def _try(host: str, host_path: Path, decoder: str, path: Path, right: bool) -> DecoderTrial:
    """Run a decoder on the host's golden latents, whatever its symbols."""
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
    return DecoderTrial(
        host=host,
        decoder=decoder,
        right=right,
        symbols=names == dict(zip(names, names, strict=True)),
        candidate=measured,
    )


def corruption_trials(folder: Path, count: int) -> Iterator[Corruption]:
    """Random corruptions of demo's decoder, a quarter of each kind.

    Args:
        folder: Folder for the engines.
        count: Number of corruptions.
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
        "channels": lambda: permuted_input(reads, _other_order(rng, channels)),
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
            yield Corruption(
                kind=kind,
                psnr_loss=psnr(new, best) - psnr(new, _pictures(run, reads, encoded)),
                picture_psnr=psnr(own, _pictures(run, reads, drawn)),
                candidate=judge(probes, run, session.inputs, session.outputs),
            )


def _other_order(rng: np.random.Generator, channels: int) -> NDArray[np.int64]:
    """A random order of the channels other than the original."""
    while True:
        order = rng.permutation(channels)
        if (order != np.arange(channels)).any():
            return order


def _pictures(run: RunEngine, reads: str, latents: NDArray[np.floating]) -> NDArray[np.uint8]:
    made: NDArray[np.uint8] = np.concatenate([next(iter(run({reads: row[None]}).values())) for row in latents])
    return made
