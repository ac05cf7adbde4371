"""Whom a guard blames: wild requests to sound models, and usual requests to a model whose denoiser is damaged.

python -m latentlink.bench.studies.unusual_requests
python -m latentlink.bench.studies.unusual_requests --count 40 --seed 3

docs/guards.md shows its output.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

import latentlink
from latentlink.bench.studies.honest_runs import MODELS, SEED, TEXT, random_drawing
from latentlink.demo.grammar import held_out
from latentlink.errors import GuardError, UsageError
from latentlink.runtime import Pipeline, bundle_path
from latentlink.runtime.samplers import SAMPLERS, SIGMAS, SPACINGS
from latentlink.terminal.module import command, run_command

CHOICES: Mapping[str, tuple[float, tuple[Any, ...]]] = {
    "sampler": (0.8, tuple(SAMPLERS)),
    "steps": (0.9, (1, 2, 3, 4, 6, 8, 10, 12, 15, 20, 25, 30)),
    "guidance": (0.5, (1.0, 2.0, 5.0, 10.0, 12.0, 15.0, 30.0, 100.0, 1000.0)),
    "guidance_interval": (0.1, ((0.28, 5.42), (5.0, 100.0))),
    "sigmas": (0.3, tuple(SIGMAS)),
    "spacing": (0.2, tuple(SPACINGS)),
    "eta": (0.1, (0.3, 1.0)),
    "width": (0.2, (16, 32, 96, 256)),
    "height": (0.2, (16, 32, 96, 256)),
    "strength": (0.2, (0.1, 0.3, 0.6, 1.0)),
    "step_cache": (0.1, (2, 3, 10)),
}
"""By option, how often it is requested, and its values."""

WEIGHTED = 0.2
"""Share of prompts with a weight."""


@dataclass(slots=True, kw_only=True)
class Blame:
    """Counts of requests.

    Args:
        drawn: Requests that a guard accepted.
        request: Requests that a guard refused, naming unusual settings of theirs.
        engine: Requests that a guard refused, blaming the engine.
        examples: The settings of those that blamed the engine.
    """

    drawn: int = 0
    request: int = 0
    engine: int = 0
    examples: list[str] = field(default_factory=list)

    def run(self, pipe: Pipeline, prompt: str, settings: Mapping[str, Any]) -> None:
        """Generate, and count who is blamed; a request that is no valid one is not counted."""
        try:
            pipe.generate(prompt, **settings)
        except UsageError:
            return
        except GuardError as error:
            if error.unusual:
                self.request += 1
            else:
                self.engine += 1
                self.examples.append(f"{pipe.name}, {dict(settings)}: {error.message}")
        else:
            self.drawn += 1


def wild_requests(count: int, seed: int, on_progress: Callable[[int], object] = lambda done: None) -> Blame:
    """Requests with random settings to both demo models, which are sound: no engine may be blamed."""
    rng = np.random.default_rng(seed)
    captions = [scene.caption for scene in held_out()]
    blame = Blame()
    with latentlink.load(MODELS[0]) as first, latentlink.load(MODELS[1]) as second:
        for number in range(count):
            settings = {name: _pick(rng, values) for name, (share, values) in CHOICES.items() if rng.random() < share}
            if "strength" in settings:
                settings["init_image"] = random_drawing(rng)
            words = _pick(rng, captions).split()
            if rng.random() < WEIGHTED:
                place = int(rng.integers(len(words)))
                words[place] = f"({words[place]}:{_pick(rng, ('1.3', '2.0', '9.0'))})"
            blame.run((first, second)[number % 2], " ".join(words), {**settings, "seed": seed + number})
            on_progress(number + 1)
    return blame


def damaged_model(count: int, seed: int, on_progress: Callable[[int], object] = lambda done: None) -> Blame:
    """The requests of the honest runs to a demo model whose denoiser holds NaN."""
    from latentlink.bench.studies.faulty_bundles import copy_bundle, named_weights, nan_first  # they need onnx

    captions = [scene.caption for scene in held_out()]
    blame = Blame()
    with tempfile.TemporaryDirectory() as folder:
        edits = {"denoiser": named_weights("unet.conv_in.weight", nan_first)}
        broken = copy_bundle(bundle_path(MODELS[0]), Path(folder) / "broken", edits)
        with latentlink.load(broken, verify=False) as pipe:
            for number in range(count):
                settings = {**TEXT[number % len(TEXT)], "seed": seed + number}
                blame.run(pipe, captions[number % len(captions)], settings)
                on_progress(number + 1)
    return blame


def _pick(rng: np.random.Generator, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def table(found: Mapping[str, Blame]) -> str:
    """Markdown."""
    lines = ["| requests | drawn | the request is named | the engine is blamed |", "|---|--:|--:|--:|"]
    lines += [f"| {name} | {one.drawn} | {one.request} | {one.engine} |" for name, one in found.items()]
    return "\n".join(lines) + "\n"


@command(__doc__)
@click.option("--count", type=click.IntRange(0), default=300, show_default=True, help="Requests of each kind.")
@click.option("--seed", type=int, default=SEED, show_default=True, help="Seed of the settings and pictures.")
def main(count: int, seed: int) -> None:
    """Print the table; the exit status is 1 if a sound engine was blamed."""
    with click.progressbar(length=count, label="wild") as bar:
        wild = wild_requests(count, seed, lambda done: bar.update(done - bar.pos))
    with click.progressbar(length=count, label="damaged") as bar:
        damaged = damaged_model(count, seed, lambda done: bar.update(done - bar.pos))
    click.echo(table({"wild, to sound models": wild, "usual, to a damaged denoiser": damaged}))
    for text in wild.examples:
        click.echo(f"- {text}")
    raise SystemExit(1 if wild.engine else 0)


if __name__ == "__main__":
    run_command(main)
