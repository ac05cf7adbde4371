"""The samplers of models that predict flows, by name.

A sampler equals the scheduler class of diffusers that is named with it, with `use_flow_sigmas` if the class has it, and
with the `mu` that pipelines pass. "dpmpp_2m" and "unipc" are the same formulas as for other models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from latentlink.runtime.samplers.schedules.flow_spacing import (
    FlowGridRequest,
    dpmpp_grid,
    share_grid,
    unipc_grid,
)
from latentlink.runtime.samplers.schedules.spacing import SIGMAS, Grid
from latentlink.runtime.samplers.solvers.dpmpp import dpmpp_2m
from latentlink.runtime.samplers.solvers.flow import flow_euler, flow_heun
from latentlink.runtime.samplers.solvers.plan import Plan
from latentlink.runtime.samplers.solvers.table import Row
from latentlink.runtime.samplers.solvers.unipc import unipc


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSampler:
    """A sampler of flow-matching models: its formula, its levels and its settings.

    Attributes:
        rows: The formula.
        grid: The noise levels that it visits.
        summary: One line for help texts.
        paper: The source of the formula.
        diffusers: The equivalent scheduler class.
        sigmas: Values of `sigmas` besides None; the checkpoint's own kind is used only if it is one of them.
        calls: Calls of the denoiser per step.
    """

    rows: Callable[[Plan], list[Row]]
    grid: Callable[[FlowGridRequest], Grid]
    summary: str
    paper: str
    diffusers: str
    sigmas: tuple[str, ...] = ()
    calls: int = 1


FLOW_SAMPLERS: Mapping[str, FlowSampler] = {
    "flow_euler": FlowSampler(
        rows=flow_euler,
        grid=share_grid,
        summary="Euler's method on the flow: the sampler that these models were published with.",
        paper="Esser et al. 2024, Scaling Rectified Flow Transformers for High-Resolution Image Synthesis",
        diffusers="FlowMatchEulerDiscreteScheduler",
        sigmas=tuple(SIGMAS),
    ),
    # The class knows static shifts only; with any other setting this visits the levels of flow_euler.
    "flow_heun": FlowSampler(
        rows=flow_heun,
        grid=share_grid,
        summary="Second order on the flow, two calls per step.",
        paper="Karras et al. 2022, Elucidating the Design Space of Diffusion-Based Generative Models",
        diffusers="FlowMatchHeunDiscreteScheduler",
        sigmas=tuple(SIGMAS),
        calls=2,
    ),
    "dpmpp_2m": FlowSampler(
        rows=dpmpp_2m,
        grid=dpmpp_grid,
        summary="DPM-Solver++(2M) on the flow.",
        paper="Lu et al. 2022b, DPM-Solver++",
        diffusers="DPMSolverMultistepScheduler",
    ),
    "unipc": FlowSampler(
        rows=unipc,
        grid=unipc_grid,
        summary="Predictor and corrector of order 2 on the flow, one call per step.",
        paper="Zhao et al. 2023, UniPC",
        diffusers="UniPCMultistepScheduler",
    ),
}
