"""Configs of checkpoints: what becomes of each key, the defaults of keys that are left out, and outdated values."""

from __future__ import annotations

from latentlink.export.configs.corrections import CORRECTIONS, Correction
from latentlink.export.configs.declared import check_types, declared_keys
from latentlink.export.configs.defaults import class_defaults, stated_keys, with_defaults
from latentlink.export.configs.networks import MASKED_TEXT, NETWORKS
from latentlink.export.configs.pipelines import PIPELINES
from latentlink.export.configs.rule import OFF, Rule, Rules, check_config, shown
from latentlink.export.configs.schedulers import FLOW, FLOW_SCHEDULE, NOISE_SCHEDULE, REFUSED, SCHEDULERS

__all__ = [
    # what becomes of each key
    "Rule",
    "Rules",
    "OFF",
    "check_config",
    "NETWORKS",
    "MASKED_TEXT",
    "PIPELINES",
    "SCHEDULERS",
    "NOISE_SCHEDULE",
    "FLOW_SCHEDULE",
    "REFUSED",
    "FLOW",
    # types of values, as their classes declare them
    "check_types",
    "declared_keys",
    "shown",
    # keys that are left out, and values that are outdated
    "class_defaults",
    "stated_keys",
    "with_defaults",
    "CORRECTIONS",
    "Correction",
]  # fmt: skip
