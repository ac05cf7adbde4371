"""Samplers as tables of numbers: one row for each call of the denoiser, all known before sampling starts.

    schedule = read_schedule({"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"})
    table = sampler_table("dpmpp_2m", schedule, steps=20, sigmas="karras")
    x = table.start_scale * noise
    for row in table.rows:  # what an engine does
        x, D = apply_row(row, x, model, history)

One file per group of samplers; a sampler is a function `Plan -> list[Row]`. `registry.py` lists the samplers of models
that were trained with a noise schedule, `flow_registry.py` those of models that predict flows.
"""

from __future__ import annotations

from latentlink.runtime.samplers.flow_registry import FLOW_SAMPLERS, FlowSampler
from latentlink.runtime.samplers.names import own_names
from latentlink.runtime.samplers.registry import SAMPLERS, Sampler
from latentlink.runtime.samplers.resolve import sampler_table, samplers_for
from latentlink.runtime.samplers.schedules.flow_schedule import FlowSchedule
from latentlink.runtime.samplers.schedules.refusal import DATA_DEPENDENT
from latentlink.runtime.samplers.schedules.schedule import Schedule, read_schedule
from latentlink.runtime.samplers.schedules.spacing import SIGMAS, SPACINGS
from latentlink.runtime.samplers.schedules.training import TrainingSchedule
from latentlink.runtime.samplers.solvers.clean import clean_coefficients
from latentlink.runtime.samplers.solvers.table import CLEAN, COLUMNS, SamplerTable, apply_row

__all__ = [
    # making a table
    "FlowSchedule",
    "SamplerTable",
    "Schedule",
    "TrainingSchedule",
    "own_names",
    "read_schedule",
    "sampler_table",
    # what there is
    "CLEAN",
    "COLUMNS",
    "DATA_DEPENDENT",
    "FLOW_SAMPLERS",
    "FlowSampler",
    "SAMPLERS",
    "SIGMAS",
    "SPACINGS",
    "Sampler",
    "samplers_for",
    # the definition
    "apply_row",
    "clean_coefficients",
]  # fmt: skip
