"""The input of a sampler, with every choice made and every number known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from latentlink.runtime.samplers.schedules.levels import FloatArray, NoiseLevels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """A run of a sampler: all its N steps, of which the first `begin` are left out.

    Attributes:
        timesteps: float64 `[N]`, the timesteps that the model reads, noisiest first.
        sigmas: float64 `[N+1]`, the level at each step and after the last, 0 for a clean picture. It is the ratio of
            noise to signal, or for the solvers of flow.py the share of noise.
        prediction: A key of prediction.py's tables.
        begin: The step that the run begins with. History starts empty there; the number of steps stays N.
    """

    timesteps: FloatArray
    sigmas: FloatArray
    prediction: str
    begin: int = 0

    def __iter__(self) -> Iterator[tuple[int, float, float, float]]:
        """(step, t, sigma, next sigma) of every step that runs; the first step of the whole run is 0."""
        sigmas = self.sigmas.tolist()
        steps = zip(range(len(self.timesteps)), self.timesteps.tolist(), sigmas, sigmas[1:], strict=False)
        yield from islice(steps, self.begin, None)

    def next_timestep(self, step: int, *, after_last: float) -> float:
        """The timestep of the step after this one."""
        return float(self.timesteps[step + 1]) if step + 1 < len(self.timesteps) else after_last


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoisePlan(Plan):
    """A run on a model that was trained with a noise schedule.

    Attributes:
        levels: The training schedule's levels.
        final_alpha_bar: alpha_bar after the last step of a sampler that works on timesteps.
        stride: Training timesteps per step, T // steps, which DDIM and PNDM use. It is not always the difference of
            two entries of `timesteps`.
        eta: Amount of fresh noise, 0 to 1, for samplers that have it.
        timestep_scaling: Scaling of timesteps in a consistency model's boundary condition.
    """

    levels: NoiseLevels
    final_alpha_bar: float
    stride: int
    eta: float
    timestep_scaling: float

    def alpha_bar(self, t: float) -> float:
        """alpha_bar of a whole timestep; `final_alpha_bar` below 0."""
        return float(self.levels.alpha_bar[int(t)]) if t >= 0 else self.final_alpha_bar
