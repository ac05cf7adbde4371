"""The two kinds of schedule that a denoiser can have been trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from latentlink.runtime.samplers.schedules.flow_schedule import FlowSchedule
from latentlink.runtime.samplers.schedules.prediction import FLOW
from latentlink.runtime.samplers.schedules.training import TrainingSchedule

Schedule: TypeAlias = TrainingSchedule | FlowSchedule


def read_schedule(data: Mapping[str, Any]) -> Schedule:
    """The schedule of a manifest, or of a checkpoint's scheduler config; `prediction_type` says which kind it is.

    Raises:
        UsageError: A key is unknown or missing, a value has the wrong type or is out of range, or the config needs an
            update that no sampler here has.
    """
    return FlowSchedule.from_json(data) if data.get("prediction_type") == FLOW else TrainingSchedule.from_json(data)
