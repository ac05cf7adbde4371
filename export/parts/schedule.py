"""The schedule a denoiser was trained with, read from the checkpoint's scheduler config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.configs import (
    FLOW,
    FLOW_SCHEDULE,
    NOISE_SCHEDULE,
    REFUSED,
    check_config,
    class_defaults,
    with_defaults,
)
from latentlink.export.parts.solver import solver

# Without these there are no noise levels, and classes differ in their defaults.
BETAS = ("beta_start", "beta_end", "beta_schedule")

# At most one of these kinds of levels.
LEVELS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")

# Numbers of tokens with the shifts of a model whose levels depend on it, with diffusers' defaults.
TOKENS = {"base_image_seq_len": 256, "max_image_seq_len": 4096}

# Classes that only predict flows, and therefore do not state it in their config.
FLOW_CLASSES = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")

FILE = "scheduler/scheduler_config.json"


def training_schedule(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The manifest's `schedule`: the part of a scheduler config that samplers read.

    Args:
        config: `scheduler_config.json`.

    Returns:
        The keys of `NOISE_SCHEDULE` that the config states, and betas, or the keys of `FLOW_SCHEDULE` with a
        `prediction_type` of "flow_prediction". Other keys that are left out stay out: diffusers then uses the default
        of the scheduler's class, and so do the samplers.

    Raises:
        CheckpointError: The config sets something that depends on the data, or that no sampler supports.
    """
    kind = str(config.get("_class_name"))
    if kind.startswith("EDM"):
        raise CheckpointError(
            f"The checkpoint's scheduler is {kind}, which preconditions the network's input and output by sigma_data; "
            "expected a model that predicts epsilon, v, the picture or a flow.",
            remedy="No sampler supports such a model.",
        )
    settings, flow = with_defaults(kind, config), _predicts_flow(config)
    rules = {**REFUSED, **(FLOW_SCHEDULE if flow else NOISE_SCHEDULE)}
    check_config(
        settings,
        rules,
        what="scheduler",
        remedy=f"State another value in {FILE} if the model was trained with it.",
    )
    if len(chosen := [key for key in LEVELS if settings.get(key)]) > 1:
        raise _contradiction(settings, chosen, "at most one of them")
    if not flow:
        if settings.get("use_flow_sigmas"):
            raise CheckpointError(
                "The checkpoint's scheduler sets use_flow_sigmas with prediction_type "
                f"{config.get('prediction_type', 'epsilon')!r}; expected levels of flows with {FLOW!r} alone.",
                remedy=f"Correct {FILE}.",
            )
        if missing := [key for key in BETAS if settings.get(key) is None]:
            raise CheckpointError(
                f"The checkpoint's scheduler is {kind} and states no {', '.join(missing)}; expected a training "
                "schedule, which follows from these.",
                remedy=f"Copy them into {FILE} from the model's training.",
            )
        if settings["beta_start"] > settings["beta_end"]:
            raise _contradiction(settings, ("beta_start", "beta_end"), "noise that grows")
        return _present({key: settings[key] for key in NOISE_SCHEDULE if key in config or key in BETAS})
    # Classes that also support other models name it "flow_shift".
    shift = "flow_shift" if "flow_shift" in class_defaults(kind) else "shift"
    stated = {**config, "shift": config.get(shift)}
    if settings.get("use_dynamic_shifting"):
        base, most = (settings.get(key) or default for key, default in TOKENS.items())
        if base >= most:
            raise _contradiction({**TOKENS, **settings}, [*TOKENS], "a base below the maximum")
    return {"prediction_type": FLOW, **_present({key: stated.get(key) for key in FLOW_SCHEDULE})}


def flow_schedule(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """`training_schedule` of a family whose models all predict flows.

    Raises:
        CheckpointError: The scheduler is of another kind of model, or see `training_schedule`.
    """
    schedule = training_schedule(config)
    if schedule.get("prediction_type") != FLOW:
        raise CheckpointError(
            f"The checkpoint's scheduler is {config.get('_class_name')}, of a model with a noise schedule; expected "
            f"{FLOW_CLASSES[0]} or another class with prediction_type {FLOW!r}.",
            remedy=f"Correct {FILE}.",
        )
    return schedule


def default_sampler(config: Mapping[str, Any], otherwise: str) -> str:
    """The sampler that equals the scheduler, or `otherwise` if none equals its class.

    Raises:
        CheckpointError: A sampler equals the class, but not with these settings.
    """
    return solver(config, flow=_predicts_flow(config)) or otherwise


def replaced_scheduler_note(config: Mapping[str, Any], chosen: str) -> str | None:
    """Note that `chosen` replaces a scheduler that no sampler equals; None if one equals it."""
    if solver(config, flow=_predicts_flow(config)) is not None:
        return None
    kind = config.get("_class_name") or "scheduler without a class"
    return f"the checkpoint's {kind} is no sampler here; {chosen} is the default"


def _contradiction(settings: Mapping[str, Any], keys: Iterable[str], expected: str) -> CheckpointError:
    found = " and ".join(f"{key} {settings[key]}" for key in keys)
    return CheckpointError(f"The checkpoint's scheduler has {found}; expected {expected}.", remedy=f"Correct {FILE}.")


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _predicts_flow(config: Mapping[str, Any]) -> bool:
    return config.get("prediction_type") == FLOW or config.get("_class_name") in FLOW_CLASSES
