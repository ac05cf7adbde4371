"""The samplers of models that were trained with a noise schedule, by name.

A sampler equals the scheduler class of diffusers that is named with it, made by `from_config` from the checkpoint's
config and run in its pipeline's loop. Settings that the config leaves out are that class's defaults, listed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from latentlink.runtime.samplers.schedules.levels import NoiseLevels
from latentlink.runtime.samplers.schedules.spacing import (
    SIGMAS,
    SPACINGS,
    Grid,
    GridRequest,
    Rounding,
    continuous_grid,
    discrete_grid,
    distilled_grid,
    interior_grid,
)
from latentlink.runtime.samplers.solvers.consistency import lcm, tcd
from latentlink.runtime.samplers.solvers.ddim import ddim, ddpm
from latentlink.runtime.samplers.solvers.deis import deis
from latentlink.runtime.samplers.solvers.dpmpp import dpmpp_2m, dpmpp_2m_sde, dpmpp_2s
from latentlink.runtime.samplers.solvers.euler import dpm2, euler, euler_a, heun
from latentlink.runtime.samplers.solvers.linear_multistep import lms, pndm
from latentlink.runtime.samplers.solvers.plan import NoisePlan
from latentlink.runtime.samplers.solvers.table import Row
from latentlink.runtime.samplers.solvers.unipc import unipc

# How solvers that use whole timesteps make a sigma's timestep whole: they round it, or cut off the fraction.
_WHOLE: Mapping[str, Rounding] = {"karras": np.round, "exponential": np.floor, "beta": np.floor}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """A sampler of models with a noise schedule: its formula, its timesteps and its settings.

    Attributes:
        rows: The formula.
        grid: The timesteps and noise levels that it visits.
        summary: One line for help texts.
        paper: The source of the formula.
        diffusers: The equivalent scheduler class.
        spacing: Default timestep spacing; None if the sampler chooses its own timesteps.
        spacings: Values of `spacing`.
        sigmas: Values of `sigmas` besides None.
        rounding: By key of `SIGMAS`, how timesteps become whole; without an entry they are not rounded.
        floors_cosine: Whether timesteps of karras sigmas are rounded down, not to nearest, with "squaredcos_cap_v2".
        ends_at: Default of `final_sigmas_type`.
        ends_at_is_fixed: Whether the class has no such setting.
        ends_at_one: Default of `set_alpha_to_one`, for samplers that read it.
        zero_snr: How `rescale_betas_zero_snr` is handled, see `TrainingSchedule.levels`.
        scaled: Whether x is x0 + sigma*eps, which starts with deviation sigma instead of 1.
        eta: Default of `eta`; None if the sampler has no such setting.
        calls: Calls of the denoiser per step; the last step of a two-call solver has one.
    """

    rows: Callable[[NoisePlan], list[Row]]
    grid: Callable[[NoiseLevels, GridRequest], Grid]
    summary: str
    paper: str
    diffusers: str
    spacing: str | None
    spacings: tuple[str, ...] = tuple(SPACINGS)
    sigmas: tuple[str, ...] = ()
    rounding: Mapping[str, Rounding] = field(default_factory=dict)
    floors_cosine: bool = False
    ends_at: str = "zero"
    ends_at_is_fixed: bool = True
    ends_at_one: bool = True
    zero_snr: str = "ignored"
    scaled: bool = False
    eta: float | None = None
    calls: int = 1


SAMPLERS: Mapping[str, Sampler] = {
    "ddim": Sampler(
        rows=ddim,
        grid=discrete_grid,
        summary="Deterministic steps between training timesteps; with eta above 0, noisy ones.",
        paper="Song et al. 2021, Denoising Diffusion Implicit Models",
        diffusers="DDIMScheduler",
        spacing="leading",
        zero_snr="exact",
        eta=0.0,
    ),
    "ddpm": Sampler(
        rows=ddpm,
        grid=discrete_grid,
        summary="The original noisy sampler; needs many steps.",
        paper="Ho et al. 2020, Denoising Diffusion Probabilistic Models",
        diffusers="DDPMScheduler",
        spacing="leading",
        zero_snr="exact",
    ),
    "euler": Sampler(
        rows=euler,
        grid=continuous_grid,
        summary="Euler's method in sigma: simple and robust.",
        paper="Karras et al. 2022, Elucidating the Design Space of Diffusion-Based Generative Models",
        diffusers="EulerDiscreteScheduler",
        spacing="linspace",
        sigmas=tuple(SIGMAS),
        ends_at_is_fixed=False,
        zero_snr="finite",
        scaled=True,
    ),
    "euler_a": Sampler(
        rows=euler_a,
        grid=continuous_grid,
        summary="Euler's method with ancestral noise: pictures keep changing with more steps.",
        paper="Ho et al. 2020 in the form of Karras et al. 2022 (k-diffusion)",
        diffusers="EulerAncestralDiscreteScheduler",
        spacing="linspace",
        zero_snr="finite",
        scaled=True,
    ),
    "heun": Sampler(
        rows=heun,
        grid=continuous_grid,
        summary="Second order, two calls per step.",
        paper="Karras et al. 2022, Elucidating the Design Space of Diffusion-Based Generative Models",
        diffusers="HeunDiscreteScheduler",
        spacing="linspace",
        sigmas=tuple(SIGMAS),
        scaled=True,
        calls=2,
    ),
    "dpm2": Sampler(
        rows=dpm2,
        grid=continuous_grid,
        summary="DPM-Solver-2, second order, two calls per step.",
        paper="Lu et al. 2022, DPM-Solver",
        diffusers="KDPM2DiscreteScheduler",
        spacing="linspace",
        sigmas=tuple(SIGMAS),
        rounding={"karras": np.round},
        scaled=True,
        calls=2,
    ),
    "lms": Sampler(
        rows=lms,
        grid=continuous_grid,
        summary="Linear multistep of order 4 in sigma, one call per step.",
        paper="Crowson 2022, k-diffusion",
        diffusers="LMSDiscreteScheduler",
        spacing="linspace",
        sigmas=tuple(SIGMAS),
        scaled=True,
    ),
    "pndm": Sampler(
        rows=pndm,
        grid=discrete_grid,
        summary="Pseudo linear multistep of order 4 (PLMS), with one more call than steps.",
        paper="Liu et al. 2022, Pseudo Numerical Methods for Diffusion Models on Manifolds",
        diffusers="PNDMScheduler",
        spacing="leading",
        ends_at_one=False,
    ),
    "dpmpp_2m": Sampler(
        rows=dpmpp_2m,
        grid=interior_grid,
        summary="DPM-Solver++(2M): good pictures in 20 steps; a good default, also with karras sigmas.",
        paper="Lu et al. 2022b, DPM-Solver++",
        diffusers="DPMSolverMultistepScheduler",
        spacing="linspace",
        sigmas=tuple(SIGMAS),
        rounding=_WHOLE,
        floors_cosine=True,
        ends_at_is_fixed=False,
        zero_snr="finite",
    ),
    "dpmpp_2m_sde": Sampler(
        rows=dpmpp_2m_sde,
        grid=interior_grid,
        summary="DPM-Solver++(2M) with fresh noise at each step.",
        paper="Lu et al. 2022b, DPM-Solver++",
        diffusers="DPMSolverMultistepScheduler",
        spacing="linspace",
        sigmas=tuple(SIGMAS),
        rounding=_WHOLE,
        floors_cosine=True,
        ends_at_is_fixed=False,
        zero_snr="finite",
    ),
    "dpmpp_2s": Sampler(
        rows=dpmpp_2s,
        grid=interior_grid,
        summary="DPM-Solver++(2S), singlestep: steps in pairs.",
        paper="Lu et al. 2022b, DPM-Solver++",
        diffusers="DPMSolverSinglestepScheduler",
        spacing="linspace",
        spacings=("linspace",),
        sigmas=tuple(SIGMAS),
        rounding=_WHOLE,
        ends_at_is_fixed=False,
    ),
    "unipc": Sampler(
        rows=unipc,
        grid=interior_grid,
        summary="Predictor and corrector of order 2, one call per step: good with very few steps.",
        paper="Zhao et al. 2023, UniPC",
        diffusers="UniPCMultistepScheduler",
        spacing="linspace",
        sigmas=tuple(SIGMAS),
        rounding=_WHOLE,
        ends_at_is_fixed=False,
        zero_snr="finite",
    ),
    "deis": Sampler(
        rows=deis,
        grid=interior_grid,
        summary="Exponential integrator of order 2 on the predicted noise.",
        paper="Zhang and Chen 2023, Fast Sampling of Diffusion Models with Exponential Integrator",
        diffusers="DEISMultistepScheduler",
        spacing="linspace",
        sigmas=tuple(SIGMAS),
        rounding=_WHOLE,
        ends_at="sigma_min",
    ),
    "lcm": Sampler(
        rows=lcm,
        grid=distilled_grid,
        summary="For latent consistency models: 1 to 8 steps.",
        paper="Luo et al. 2023, Latent Consistency Models",
        diffusers="LCMScheduler",
        spacing=None,
        spacings=(),
        zero_snr="exact",
    ),
    "tcd": Sampler(
        rows=tcd,
        grid=distilled_grid,
        summary="For trajectory consistency models: 1 to 8 steps; eta 0.3 is the paper's choice with 4.",
        paper="Zheng et al. 2024, Trajectory Consistency Distillation",
        diffusers="TCDScheduler",
        spacing=None,
        spacings=(),
        zero_snr="exact",
        eta=0.0,  # what the pipelines of diffusers pass; the class alone has 0.3
    ),
}
