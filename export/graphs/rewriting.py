"""onnxscript's rewriting rules, tried only on nodes that they can match.

onnxscript tries every rule on every node. A rule whose pattern has several output nodes lists the whole graph before it
looks at the node's operator, which made an export a tenth slower.

Requires: the attributes of onnxscript 0.7's rules; with others, nothing changes.
Ensures: the same graph. The rules are shared by the process, so one thread at a time may export.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def rules_by_operator() -> Iterator[None]:
    """Within the block, onnxscript's default rules skip nodes whose operator is not that of their pattern's output."""
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
    """Domain and type of the pattern's first output node; None if the pattern does not name them."""
    pattern = getattr(getattr(rule, "_matcher", None), "pattern", None)
    nodes = getattr(pattern, "output_nodes", None)
    identifier = nodes[0].op_identifier() if nodes else None
    return None if identifier is None else (identifier[0], identifier[1])


def _only(operator: tuple[str, str], try_rewrite: Any) -> Any:
    def try_matching(model: Any, graph: Any, node: Any, **options: Any) -> Any:
        if (node.domain, node.op_type) != operator:
            return None
        return try_rewrite(model, graph, node, **options)

    return try_matching
