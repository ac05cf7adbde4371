"""The loops of diffusers' pipelines around its schedulers, and the same around a table; `loops` compares them.

Also the demo bundles, open, and a GPU that is not there.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

import latentlink
from latentlink.runtime import Pipeline
from latentlink.runtime.samplers import SAMPLERS, SamplerTable, apply_row
from tests.both_loaders import Loaders, comparing, start_loaders
from tests.native.built_files import FOLDER, GIVEN

if TYPE_CHECKING:
    from tests.runtime.sessions.gpu.fake_gpu import FakeCuda

Array = NDArray[np.float64]

# What a class needs besides the checkpoint's config.
ARGUMENTS = {"dpmpp_2m_sde": {"algorithm_type": "sde-dpmsolver++"}, "pndm": {"skip_prk_steps": True}}


@dataclass(frozen=True, kw_only=True)
class Run:
    """Timesteps, and x after every call, blended where there is a mask."""

    timesteps: Array
    after: list[Array]


class Loops:
    """Random pictures, noise and mask, a model that is a formula, and two loops."""

    def __init__(self) -> None:
        import diffusers
        import torch

        self.diffusers, self.torch = diffusers, torch
        drawn = torch.randn((2, 1, 4, 8, 8), generator=torch.Generator().manual_seed(1))
        self.noise, self.picture = drawn[0], drawn[1]
        # A mask's edge is soft where it is scaled down to the latent's size.
        self.mask = torch.rand((1, 1, 8, 8), generator=torch.Generator().manual_seed(2)).round(decimals=1)
        self._made = cache(self._make)

    def pipeline_config(self, config: dict[str, Any]) -> dict[str, Any]:
        """What `pipe.scheduler.config` holds for a checkpoint with this config: class defaults are marked as such."""
        marked = self.diffusers.PNDMScheduler.from_config({**config, "skip_prk_steps": True}).config
        return dict(marked)

    def scheduler(self, sampler: str, config: dict[str, Any], **changes: Any) -> Any:
        """The class that a sampler of `SAMPLERS` equals, made from a pipeline's or a checkpoint's config."""
        # A copy of one made before, as some need a tenth of a second to be made; set_timesteps may change their config.
        return deepcopy(self._made(sampler, json.dumps([config, changes])))

    def _make(self, sampler: str, config_and_changes: str) -> Any:
        config, changes = json.loads(config_and_changes)
        kind = getattr(self.diffusers, SAMPLERS[sampler].diffusers)
        changes |= ARGUMENTS.get(sampler, {})
        if "clip_sample" in inspect.signature(kind.__init__).parameters:
            changes["clip_sample"] = False
        return kind.from_config(config, **changes)

    def reference(
        self,
        scheduler: Any,
        *,
        settings: dict[str, Any],
        eta: float = 0.0,
        pipeline: str | None = None,
        strength: float = 1.0,
        start: float | None = None,
        end: float | None = None,
        masked: bool = False,
    ) -> Run:
        """The loop of a pipeline.

        Args:
            scheduler: Of diffusers.
            settings: For its `set_timesteps`.
            eta: For its `step`, if that has one.
            pipeline: The img2img pipeline whose `get_timesteps` cuts the run; x is then a noisy picture at first. None
                for a run from noise.
            strength: For `get_timesteps`.
            start: `denoising_start`.
            end: `denoising_end`.
            masked: Whether the picture is kept outside the mask: the end of every turn of the inpainting loop.
        """
        generator = self.torch.Generator().manual_seed(5)
        accepted = inspect.signature(scheduler.step).parameters
        arguments = {name: value for name, value in (("generator", generator), ("eta", eta)) if name in accepted}
        scheduler.set_timesteps(**settings)
        timesteps = scheduler.timesteps
        if pipeline is not None:
            cut = getattr(self.diffusers, pipeline).get_timesteps
            parts = {} if start is None else {"denoising_start": start}
            steps = scheduler.num_inference_steps
            timesteps, _ = cut(SimpleNamespace(scheduler=scheduler), steps, strength, "cpu", **parts)
        if end is not None:
            T = scheduler.config.num_train_timesteps
            timesteps = timesteps[: len([t for t in timesteps if t >= round(T - end * T)])]
        if pipeline is None:
            x = self.noise * getattr(scheduler, "init_noise_sigma", 1.0)
        else:
            x = self._noisy(scheduler, timesteps[:1])
        after = []
        for number, t in enumerate(timesteps):
            seen = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
            prediction = self.torch.tanh(0.7 * seen) + 0.1 * self.torch.sin(t.float() / 100)
            x = scheduler.step(prediction, t, x, **arguments).prev_sample
            if masked:
                last = number + 1 == len(timesteps)
                kept = self.picture if last else self._noisy(scheduler, timesteps[number + 1 : number + 2])
                x = (1 - self.mask) * kept + self.mask * x
            after.append(x.double().numpy())
        return Run(timesteps=timesteps.double().numpy(), after=after)

    def _noisy(self, scheduler: Any, t: Any) -> Any:
        if hasattr(scheduler, "scale_noise"):
            # FlowMatchHeunDiscreteScheduler looks up a single timestep, and then goes by its place in the run.
            return scheduler.scale_noise(self.picture, t, self.noise)
        return scheduler.add_noise(self.picture, self.noise, t)

    def ours(self, table: SamplerTable, *, from_picture: bool = False, masked: bool = False) -> Run:
        """What a runtime does with a table."""
        generator = self.torch.Generator().manual_seed(5)
        noise, picture = self.noise.double().numpy(), self.picture.double().numpy()
        mask = self.mask.double().numpy()

        def blend_at(level: Array) -> Callable[[Array], Array]:
            return lambda x: np.asarray((1 - mask) * (level[0] * picture + level[1] * noise) + mask * x)

        # The first x is a noisy picture, or noise that a mask leaves alone.
        blends = [None, *(blend_at(level) if masked else None for level in table.levels[1:-1])]
        x = table.levels[0, 0] * picture + table.levels[0, 1] * noise if from_picture else noise * table.start_scale
        history: list[Array] = []
        after: list[Array] = []
        for row, draws, recovers, blend in zip(table.rows, table.draws, table.recovers, blends, strict=True):
            if after and blend is not None:
                after[-1] = blend(x)
            drawn = self.torch.randn(x.shape, generator=generator).double().numpy() if draws else None
            x, denoised = apply_row(row, x, self._model, history, drawn, blend=blend, recovers=bool(recovers))
            history = [denoised, *history][:4]
            after.append(x)
        if masked:
            # Also where the run stops early, unlike a runtime, as the loop of diffusers knows no noise to add there.
            after[-1] = blend_at(np.array([1.0, 0.0]))(x)
        return Run(timesteps=table.rows[:, 0], after=after)

    @staticmethod
    def _model(x: Array, t: float) -> Array:
        return np.asarray(np.tanh(0.7 * x) + 0.1 * np.sin(t / 100))

    @staticmethod
    def difference(ours: Run, theirs: Run, *, atol: float = 5e-4) -> float:
        """The largest difference of any call, relative to the largest |x| of that call.

        Timesteps have to be equal to float32 where theirs are whole. Others are interpolated between float32
        logarithms, 1e-7 of which is 1e-4 timesteps, or are a float32 level times T.
        """
        whole = bool((theirs.timesteps == theirs.timesteps.round()).all())
        np.testing.assert_allclose(ours.timesteps, theirs.timesteps, rtol=1e-7, atol=0 if whole else atol)
        return max(
            float(np.abs(our_x - their_x).max() / np.abs(their_x).max())
            for our_x, their_x in zip(ours.after, theirs.after, strict=True)
        )


@pytest.fixture(scope="session")
def loops() -> Loops:
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    return Loops()


@pytest.fixture(scope="module")
def demo() -> Iterator[Pipeline]:
    """The first of the bundles that ship, open."""
    with latentlink.load("demo") as pipe:
        yield pipe


@pytest.fixture(scope="module")
def demo_b() -> Iterator[Pipeline]:
    """The second, of another latent space."""
    with latentlink.load("demo-b") as pipe:
        yield pipe


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    """A GPU in numpy in the place of this machine's."""
    from latentlink.runtime.sessions.gpu import cuda
    from tests.runtime.sessions.gpu.fake_gpu import FakeCuda, Unsigned

    fake = FakeCuda()
    monkeypatch.setattr(cuda, "import_cuda", lambda: fake)
    monkeypatch.setattr(cuda, "unsigned", Unsigned)
    cuda._this_gpu.cache_clear()
    yield fake
    cuda._this_gpu.cache_clear()


@pytest.fixture
def denoiser_runs(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Of every run of demo's denoiser: pictures in the batch, and rows of text."""
    seen: list[tuple[int, int]] = []
    session = demo.linked.denoiser.session
    run = session.run

    def counted(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
        rows = [
            next(len(inputs[name].numpy()) for name in inputs if name.startswith(kind))
            for kind in ("coefficients", "text")
        ]
        seen.append((rows[0], rows[1]))
        return run(inputs, outputs)

    monkeypatch.setattr(session, "run", counted)
    return seen


@pytest.fixture(scope="session")
def loaders() -> Iterator[Loaders | None]:
    """The native runtime; None if it was not built."""
    started = start_loaders(FOLDER, required=GIVEN is not None)
    yield started
    if started is not None:
        started.close()


@pytest.fixture
def both_loaders(loaders: Loaders | None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Ask the native runtime whatever a test loads with Python's."""
    if loaders is None or request.node.get_closest_marker("python_runtime") is not None:
        yield
        return
    with comparing(loaders, request.module):
        yield
