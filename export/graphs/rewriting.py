"""onnxscript's rewriting rules, tried only on the nodes that they can match.

Requires: onnxscript's own rules as of 0.7; where their insides are others, nothing is changed.
Ensures: the same rewriting. Every rule is tried on every node, and one whose pattern ends in several nodes lists the
whole graph each time, before it looks at the node's operator: a tenth of an export's time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def rules_by_operator() -> Iterator[None]:
    """While it is open, onnxscript's default rules pass over nodes of another operator than their pattern's first."""
    from onnxscript import rewriter

    rules: tuple[Any, ...] = getattr(rewriter, "_DEFAULT_REWRITE_RULES", ())
    changed = []
    for rule in rules:
        operator = _operator(rule)
        if operator is not None:
            rule.try_rewrite = _only(operator, rule.try_rewrite)
            changed.append(rule)
    try:
        yield
    finally:
        for rule in changed:
            del rule.try_rewrite


def _operator(rule: Any) -> tuple[str, str] | None:
    """Domain and type of the node that a rule is tried on, where its pattern names them."""
    pattern = getattr(getattr(rule, "_matcher", None), "pattern", None)
    nodes = getattr(pattern, "output_nodes", None)
    identifier = nodes[0].op_identifier() if nodes else None
    return None if identifier is None else (identifier[0], identifier[1])


def _only(operator: tuple[str, str], try_rewrite: Any) -> Any:
    def tried(model: Any, graph: Any, node: Any, **options: Any) -> Any:
        if (node.domain, node.op_type) != operator:
            return None
        return try_rewrite(model, graph, node, **options)

    return tried
