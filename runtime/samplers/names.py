"""The names that AUTOMATIC1111, ComfyUI and diffusers give to samplers, spacings and sigmas.

Case, blanks, hyphens and underscores do not matter, "++" is "pp", and "k_", "sample_" and "Scheduler" are ignored. A
name that ends in a kind of sigmas, as in "DPM++ 2M Karras", sets these as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from latentlink.checks import shown
from latentlink.errors import UsageError
from latentlink.runtime.samplers.flow_registry import FLOW_SAMPLERS
from latentlink.runtime.samplers.noise_plan import noise_plan
from latentlink.runtime.samplers.registry import SAMPLERS
from latentlink.runtime.samplers.resolve import samplers_for
from latentlink.runtime.samplers.schedules.flow_schedule import FlowSchedule
from latentlink.runtime.samplers.schedules.refusal import DATA_DEPENDENT, one_of, refusal
from latentlink.runtime.samplers.schedules.schedule import Schedule
from latentlink.runtime.samplers.schedules.spacing import SIGMAS, SPACINGS
from latentlink.runtime.samplers.schedules.training import TrainingSchedule
from latentlink.runtime.samplers.schedules.web_schedules import WEB_SCHEDULES

ALIASES: Mapping[str, str] = {
    "Euler a": "euler_a",
    "euler_ancestral": "euler_a",
    "PLMS": "pndm",
    "DPM-Solver++(2M)": "dpmpp_2m",
    "dpmpp_2m_sde_gpu": "dpmpp_2m_sde",
    "uni_pc_bh2": "unipc",
    "flow_match_euler": "flow_euler",
    "flow_match_heun": "flow_heun",
}
"""Names that differ from a sampler's own in more than spelling; the classes of diffusers are in the registries."""

WEB_NAMES: Mapping[str, str] = {
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "dpm2": "DPM2",
    "lms": "LMS",
    "pndm": "PLMS",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "unipc": "UniPC",
    "deis": "DEIS",
    "lcm": "LCM",
    "flow_euler": "Euler",
    "flow_heun": "Heun",
}
"""A sampler's name in AUTOMATIC1111's web UI, where it has one."""

SAME_TIMESTEP = 1e-3
"""Difference below which two timesteps are the same: float32 rounding of 999 is 3e-5."""

ON_FLOWS: Mapping[str, str] = {"euler": "flow_euler", "heun": "flow_heun"}
"""By name, what web UIs and other programs mean by it with a flow-matching model: the same method on the flow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A sampler and its levels by the names of this package.

    Args:
        sampler: As in `sampler_table`.
        spacing: As in `sampler_table`.
        sigmas: As in `sampler_table`.
    """

    sampler: str
    spacing: str | None
    sigmas: str | None


def own_names(
    training: Schedule, *, sampler: str, spacing: str | None = None, sigmas: str | None = None, steps: int
) -> Names:
    """The names of this package for those that a user gave.

    Whether the sampler fits the model and has these settings is left to `sampler_table`.

    Args:
        training: The schedule that the denoiser was trained with.
        sampler: Any name of a sampler.
        spacing: Any name of a spacing, or a schedule of a web UI that visits the timesteps of one; None for the
            default.
        sigmas: Any name of a kind of sigmas; None for the default.
        steps: Number of steps of a whole run.

    Raises:
        UsageError: A name is unknown, two contradict each other, or a schedule is no spacing here.
    """
    fitting = samplers_for(training)
    own, implied = _sampler(sampler, fitting)
    known = SAMPLERS.get(own) or FLOW_SAMPLERS.get(own)
    if implied is not None and known is not None and implied not in known.sigmas:
        raise refusal(
            f"sampler {shown(sampler)}, but {own} has no {implied} sigmas", "a name without them", f"Use {own!r}."
        )
    named = _kind("sigmas", sigmas, SIGMAS, others=(*SPACINGS, *WEB_SCHEDULES), meant="spacing")
    if implied is not None and named not in (None, implied):
        raise refusal(
            f"sampler {shown(sampler)}, whose name includes {implied} sigmas, with sigmas {shown(sigmas)}",
            "one kind of sigmas",
            f"Use sampler {own!r} with the sigmas that you want.",
        )
    if isinstance(training, FlowSchedule):
        return Names(sampler=ON_FLOWS.get(own, own), spacing=spacing, sigmas=implied if named is None else named)
    spaced = _kind("spacing", spacing, (*SPACINGS, *WEB_SCHEDULES), others=SIGMAS, meant="sigmas")
    if spaced is not None and spaced in WEB_SCHEDULES and own in SAMPLERS:
        if named or implied:
            raise refusal(
                f"spacing {shown(spacing)} with {named or implied} sigmas",
                "one of them, as both choose the levels",
                "Leave one of them out.",
            )
        spaced = _equal_spacing(training, own, spaced, steps)
    return Names(sampler=own, spacing=spaced, sigmas=implied if named is None else named)


def _spelling(name: str) -> str:
    """A name without what may be written in several ways."""
    plain = re.sub(r"^(sample_|k[ _-])", "", name.strip().lower()).replace("++", "pp")
    return re.sub(r"[\W_]", "", plain).removesuffix("scheduler")


_CLASSES = {
    # of two samplers of one class, the first is what the class does by default
    **{one.diffusers: name for name, one in reversed(list(FLOW_SAMPLERS.items()))},
    **{one.diffusers: name for name, one in reversed(list(SAMPLERS.items()))},
}

_SAMPLERS: Mapping[str, str] = {
    _spelling(name): own
    for name, own in (
        *_CLASSES.items(),
        *ALIASES.items(),
        *((name, name) for name in (*DATA_DEPENDENT, *FLOW_SAMPLERS, *SAMPLERS)),
    )
}
"""By spelling, a sampler's own name; also of those that `DATA_DEPENDENT` refuses with a reason."""


def _sampler(name: object, fitting: Collection[str]) -> tuple[str, str | None]:
    """A sampler's own name, and the sigmas that the given name includes."""
    if not isinstance(name, str):
        return one_of(name, fitting, what="sampler"), None
    plain = _spelling(name)
    if plain in _SAMPLERS:
        return _SAMPLERS[plain], None
    implied = next((kind for kind in SIGMAS if plain.endswith(kind)), None)
    plain = plain.removesuffix(implied or "")
    if plain in _SAMPLERS:
        return _SAMPLERS[plain], implied
    if schedule := next((one for one in WEB_SCHEDULES if plain == _spelling(one)), None):
        raise refusal(f"sampler {shown(name)}", f"one of {', '.join(fitting)}", f"Give {schedule!r} as spacing.")
    spelled = [one for one, own in _SAMPLERS.items() if own in fitting]
    close = get_close_matches(plain, spelled, n=1, cutoff=0.5)
    remedy = f"Did you mean {_SAMPLERS[close[0]]!r}?" if close else "Choose another sampler."
    raise refusal(f"sampler {shown(name)}", f"one of {', '.join(fitting)}", remedy)


def _kind(what: str, name: object, known: Collection[str], *, others: Collection[str], meant: str) -> str | None:
    """The own name of a spacing or of sigmas; one that is the other kind is refused."""
    if name is None:
        return None
    if not isinstance(name, str):
        return one_of(name, known, what=what)
    spelled = {_spelling(one): one for one in (*others, *known)}
    own = spelled.get(_spelling(name), name)
    if own in others:
        raise refusal(f"{what} {shown(name)}", f"one of {', '.join(known)}", f"Give {own!r} as {meant}.")
    return own


def _equal_spacing(training: TrainingSchedule, sampler: str, schedule: str, steps: int) -> str:
    """The spacing with which a sampler visits the timesteps of a web UI's schedule.

    Where timesteps are not whole, web UIs interpolate log(sigma) and diffusers sigma: levels then agree within 5e-4 in
    up to 150 steps.

    Raises:
        UsageError: There is none; the message names the nearest.
    """
    wanted = WEB_SCHEDULES[schedule](training.num_train_timesteps, steps)
    spacings = SAMPLERS[sampler].spacings
    gaps: dict[str, float] = {}
    for spacing in spacings:
        with suppress(UsageError):  # a spacing that is not possible with so many steps
            plan = noise_plan(sampler, training, steps=steps, spacing=spacing, sigmas=None, eta=None)
            if len(plan.timesteps) == len(wanted):
                gaps[spacing] = float(np.abs(plan.timesteps - wanted).max())
    nearest = min(gaps, key=lambda spacing: gaps[spacing], default=None)
    if nearest is not None and gaps[nearest] < SAME_TIMESTEP:
        return nearest
    remedy = "Choose another spacing."
    if nearest is not None:
        remedy = f"The nearest is {nearest!r}, whose timesteps differ by up to {gaps[nearest]:.2g}."
    raise refusal(
        f"spacing {schedule!r}, whose {steps} steps are not those of a spacing for sampler {sampler!r}",
        f"one of {', '.join(spacings)}" if spacings else "none, as it has no such setting",
        remedy,
    )
