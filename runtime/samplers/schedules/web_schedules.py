"""The schedules of ComfyUI and AUTOMATIC1111 that choose timesteps, by name.

They are definitions to compare with: such a name is accepted where a spacing of this package visits the same timesteps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from latentlink.runtime.samplers.schedules.levels import FloatArray


def _normal(T: int, count: int) -> FloatArray:
    return np.linspace(T - 1, 0, count)


def _sgm_uniform(T: int, count: int) -> FloatArray:
    return np.linspace(T - 1, 0, count + 1)[:-1]


def _simple(T: int, count: int) -> FloatArray:
    return np.asarray(T - 1 - np.floor(np.arange(count) * (T / count)), np.float64)


def _ddim_uniform(T: int, count: int) -> FloatArray:
    return np.arange(1, T, max(T // count, 1), dtype=np.float64)[::-1]


WEB_SCHEDULES: Mapping[str, Callable[[int, int], FloatArray]] = {
    "normal": _normal,
    "uniform": _normal,
    "sgm_uniform": _sgm_uniform,
    "simple": _simple,
    "ddim_uniform": _ddim_uniform,
}
"""`(T, count) -> timesteps`, falling: `normal_scheduler`, `simple_scheduler` and `ddim_scheduler` of ComfyUI's
`comfy/samplers.py`; "uniform" is A1111's name of "normal". "ddim_uniform" has more than `count` unless that divides T.
"""
