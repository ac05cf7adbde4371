"""The keep-list: as short as the budget for noise allows, and never longer than the one for weights."""

from __future__ import annotations

from latentlink.calibration.sensitivity import LayerCost, find_keep_list

COSTS = tuple(LayerCost(layer=f"l{n:02}", operator="Conv", sqnr=10.0 + n, size=10) for n in range(20))


def test_nothing_is_kept_where_all_may_be_quantised() -> None:
    found = find_keep_list(COSTS, 12, lambda kept: 15.0, max_share=0.5)
    assert (found.layers, found.step_snr, found.share) == (frozenset(), 15.0, 0.0)
    assert found.sufficient


def test_the_shortest_head_that_is_good_enough_is_found() -> None:
    tried: list[int] = []

    def quality(kept: frozenset[str]) -> float:
        tried.append(len(kept))
        assert kept == {cost.layer for cost in COSTS[: len(kept)]}
        return 8.0 + len(kept)

    found = find_keep_list(COSTS, 12, quality, max_share=0.5)
    assert (len(found.layers), found.step_snr) == (4, 12.0)
    assert len(tried) <= 6


def test_the_budget_of_weights_ends_the_list_even_where_that_is_not_good_enough() -> None:
    found = find_keep_list(COSTS, 99, lambda kept: float(len(kept)), max_share=0.26)
    assert (len(found.layers), found.step_snr, found.share) == (5, 5.0, 0.25)
    assert not found.sufficient
    none = find_keep_list(COSTS, 99, lambda kept: 1.0, max_share=0.0)
    assert (none.layers, none.step_snr) == (frozenset(), 1.0)
