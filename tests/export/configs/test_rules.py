"""Given the classes and pipelines of diffusers, when their keys are listed, then each has a rule that is followed."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import pytest

from latentlink.errors import CheckpointError
from latentlink.export.configs import (
    FLOW_SCHEDULE,
    NETWORKS,
    NOISE_SCHEDULE,
    PIPELINES,
    SCHEDULERS,
    check_config,
    class_defaults,
)
from latentlink.export.parts import training_schedule
from latentlink.export.parts.solver import SOLVERS
from latentlink.export.recipes import RECIPES


def keys_of(name: str) -> set[str]:
    """Arguments of a class, which are the keys of its config."""
    parameters = inspect.signature(getattr(diffusers, name).__init__).parameters.values()
    return {one.name for one in parameters if one.name != "self" and one.kind not in (one.VAR_KEYWORD,)}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_key_of_a_network_has_a_rule_and_no_rule_is_of_no_key(name: str) -> None:
    assert keys_of(name) - NETWORKS[name].keys() == set(), f"keys of {name} without a rule in export/configs"
    assert NETWORKS[name].keys() - keys_of(name) == set()


def test_every_network_of_diffusers_that_a_recipe_reads_has_rules() -> None:
    read = {cls for recipe in RECIPES.values() for cls in recipe.classes.values() if hasattr(diffusers, cls)}
    assert read and read <= NETWORKS.keys()


@pytest.mark.parametrize("name", SOLVERS)
def test_every_key_of_a_scheduler_has_a_rule(name: str) -> None:
    assert keys_of(name) - SCHEDULERS.keys() == set(), f"keys of {name} without a rule in export/configs"
    row = SOLVERS[name]
    by_class = {key for key, rule in SCHEDULERS.items() if "SOLVERS" in rule.why and key in keys_of(name)}
    # what a class of both kinds has for flows alone is refused with a noise schedule as a whole
    named = {*row.allowed, *row.at_sigma_min, *row.at_flows, "use_flow_sigmas"}
    assert by_class - named == set(), f"settings of {name} that its row does not check"


def test_no_rule_is_of_a_key_that_no_scheduler_has() -> None:
    assert SCHEDULERS.keys() - set().union(*map(keys_of, SOLVERS)) == set()


OWNERS = {owner: owner for owner in PIPELINES if owner != "model_index"} | {"self": "model_index"}
ALL_PIPELINES = sorted({name for recipe in RECIPES.values() for name in recipe.pipelines})


def owner_of(node: ast.expr) -> str | None:
    """Part whose config this expression is: of `self.vae.config` and `unet.config` the vae and the unet."""
    if not isinstance(node, ast.Attribute) or node.attr != "config":
        return None
    return OWNERS.get(ast.unparse(node.value).removeprefix("self.") or "self")


def literal(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant) and isinstance(node.value, str), (
        f"a key that is computed: {ast.unparse(node)}"
    )
    return node.value


def reads_of(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The (part, key) that code reads or registers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr != "get" and (owner := owner_of(node.value)):
            yield owner, node.attr
        elif isinstance(node, ast.Subscript) and (owner := owner_of(node.value)):
            yield owner, literal(node.slice)
        elif isinstance(node, ast.Call):
            called, arguments = ast.unparse(node.func), node.args
            if called in ("getattr", "hasattr") and (owner := owner_of(arguments[0])):
                yield owner, literal(arguments[1])
            elif (
                isinstance(node.func, ast.Attribute)
                and node.func.attr == "get"
                and (owner := owner_of(node.func.value))
            ):
                yield owner, literal(arguments[0])
            elif called == "self.register_to_config":
                yield from (("model_index", word.arg) for word in node.keywords if word.arg)


@cache
def reads_of_pipeline(name: str) -> frozenset[tuple[str, str]]:
    """What a pipeline's file reads in configs, and the arguments of its constructor that are no parts."""
    cls = getattr(diffusers, name)
    reads = {*reads_of(ast.parse(Path(inspect.getfile(cls)).read_text(encoding="utf-8")))}
    parts = cls._get_signature_types()
    plain = {key for key in keys_of(name) if any(kind in (bool, int, float, str) for kind in parts[key])}
    return frozenset(reads | {("model_index", key) for key in plain})


@pytest.mark.parametrize("name", ALL_PIPELINES)
def test_every_key_that_a_pipeline_reads_has_a_rule(name: str) -> None:
    unknown = {f"{part}: {key}" for part, key in reads_of_pipeline(name) if key not in PIPELINES[part]}
    assert unknown == set(), f"keys that {name} reads, without a rule in export/configs/pipelines.py"


def test_no_rule_is_of_a_key_that_no_pipeline_reads() -> None:
    read = set().union(*map(reads_of_pipeline, ALL_PIPELINES))
    assert {(part, key) for part, rules in PIPELINES.items() for key in rules} - read == set()


def test_a_new_key_is_noticed_in_every_way_in_which_code_reads_one() -> None:
    code = """
self.vae.config.a; getattr(scheduler.config, "b", 1); self.scheduler.config.get("c", 2)
unet.config["d"]; hasattr(self.unet.config, "e"); self.config.f; self.register_to_config(g=1)
"""
    found = [("scheduler", "b"), ("scheduler", "c"), ("unet", "d"), ("unet", "e"), ("vae", "a")]
    assert sorted(reads_of(ast.parse(code))) == [("model_index", "f"), ("model_index", "g"), *found]


@pytest.mark.parametrize("key", [key for key, rule in SCHEDULERS.items() if rule.only is not None])
def test_another_value_of_a_scheduler_is_refused_with_its_key(key: str) -> None:
    flow = key in FLOW_SCHEDULE and key not in NOISE_SCHEDULE
    kind = "FlowMatchEulerDiscreteScheduler" if flow else "EulerDiscreteScheduler"
    with pytest.raises(CheckpointError, match=rf"scheduler has {key} 'another'; expected .*scheduler_config\.json"):
        training_schedule({"_class_name": kind, key: "another"})


@pytest.mark.parametrize(
    ("name", "key"),
    [(name, key) for name, rules in NETWORKS.items() for key, rule in rules.items() if rule.only is not None],
)
def test_another_value_of_a_network_is_refused_with_its_key(name: str, key: str) -> None:
    def check(config: dict[str, Any]) -> None:
        check_config(config, NETWORKS[name], what="network", remedy="")

    check(dict(class_defaults(name)))
    with pytest.raises(CheckpointError, match=f"network has {key} 'another'; expected "):
        check({**class_defaults(name), key: "another"})
