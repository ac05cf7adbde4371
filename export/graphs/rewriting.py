"""onnxscript's rewriting rules as an export needs them: exact, and tried only on nodes that they can match.

- Exact: a pattern's constant would match any number within 1e-5 of it relatively, or 1e-8 absolutely. `x + 1e-15` would
  be taken for `x + 0` and become `x`, which is NaN where it is a divisor. Here a constant matches itself alone.
- Only on those nodes: a rule whose pattern has several output nodes lists the whole graph before it looks at a node's
  operator, which made an export a tenth slower.

Requires: the attributes of the rules of onnxscript 0.5 to 0.7.
Ensures: a graph that computes the same. The rules are shared by the process, so one thread at a time may export.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TOLERANCES = ("_rel_tol", "_abs_tol")


@contextmanager
def exact_rules() -> Iterator[None]:
    """Within the block, onnxscript's default rules are exact and skip nodes that they cannot match.

    Raises:
        RuntimeError: No rule has the attributes that this needs.
    """
    from onnxscript import rewriter

    rules: tuple[Any, ...] = rewriter._DEFAULT_REWRITE_RULES
    patterns = [rule._matcher.pattern for rule in rules]
    constants = [one for pattern in patterns for node in pattern for one in node.inputs if hasattr(one, TOLERANCES[0])]
    if not constants:
        raise RuntimeError("onnxscript's rules have no constants with tolerances: this version of it is not known")
    found = [[getattr(constant, name) for name in TOLERANCES] for constant in constants]
    changed = []
    try:
        for constant in constants:
            _set(constant, [0.0, 0.0])
        for rule, pattern in zip(rules, patterns, strict=True):
            operator = pattern.output_nodes[0].op_identifier()
            if operator is not None:
                rule.try_rewrite = _only(operator, rule.try_rewrite)
                changed.append(rule)
        yield
    finally:
        for constant, tolerances in zip(constants, found, strict=True):
            _set(constant, tolerances)
        for rule in changed:
            del rule.try_rewrite


def _set(constant: Any, tolerances: list[float]) -> None:
    for name, tolerance in zip(TOLERANCES, tolerances, strict=True):
        setattr(constant, name, tolerance)


def _only(operator: tuple[str, str, str], try_rewrite: Any) -> Any:
    """`try_rewrite` for nodes of one operator: its domain, type and overload."""

    def try_matching(model: Any, graph: Any, node: Any, **options: Any) -> Any:
        if (node.domain, node.op_type) != operator[:2]:
            return None
        return try_rewrite(model, graph, node, **options)

    return try_matching
