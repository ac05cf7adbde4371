"""The keep-list: as short as the budget for noise allows, and never longer than the one for weights."""

from __future__ import annotations

from latentlink.calibration.sensitivity import LayerCost, keep_list

COSTS = tuple(LayerCost(layer=f"l{n:02}", operator="Conv", sqnr=10.0 + n, size=10) for n in range(20))


def test_nothing_is_kept_where_all_may_be_quantised() -> None:
    assert keep_list(COSTS, 12, lambda kept: 15.0, most=0.5) == (frozenset(), 15.0)


def test_the_shortest_head_that_is_good_enough_is_found() -> None:
    tried: list[int] = []

    def quality(kept: frozenset[str]) -> float:
        tried.append(len(kept))
        assert kept == {cost.layer for cost in COSTS[: len(kept)]}
        return 8.0 + len(kept)

    kept, found = keep_list(COSTS, 12, quality, most=0.5)
    assert (len(kept), found) == (4, 12.0)
    assert len(tried) <= 6


def test_the_budget_of_weights_ends_the_list_even_where_that_is_not_good_enough() -> None:
    kept, found = keep_list(COSTS, 99, lambda kept: float(len(kept)), most=0.26)
    assert (len(kept), found) == (5, 5.0)
    assert keep_list(COSTS, 99, lambda kept: 1.0, most=0.0) == (frozenset(), 1.0)
