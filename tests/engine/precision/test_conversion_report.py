"""Reports say in a line what stayed and why."""

from __future__ import annotations

from latentlink.engine.precision import ConversionReport, KeptNode


def test_a_summary_counts_the_reasons_most_frequent_first() -> None:
    kept = [KeptNode(node=f"n{i}", operator="Sin", reason="timestep embedding") for i in range(2)]
    kept.append(KeptNode(node="n2", operator="Range", reason="position table"))
    assert ConversionReport(precision="float16", nodes=80, kept=tuple(kept)).summary() == (
        "float16; 3 of 80 nodes in float32: 2 timestep embedding, 1 position table"
    )


def test_a_summary_without_reasons_counts_the_nodes() -> None:
    assert ConversionReport(precision="float32", nodes=80, kept=()).summary() == "float32; 80 nodes"
