"""Which settings of a sheet are its axes, and which of them is drawn where."""

from __future__ import annotations

import pytest

from latentlink.bench.sheets.axes import LEAST_SIDE, MOST_CELLS, MOST_PIXELS, MOST_WIDTH, Axes, titled
from latentlink.errors import UsageError


def test_of_three_axes_the_first_are_blocks_then_rows_then_columns() -> None:
    axes = Axes.of({"prompt": ["a", "b"], "sampler": ["euler", "ddim"], "seed": [1, 2, 3], "steps": [20]})

    assert [axis.name for axis in axes.varied] == ["prompt", "sampler", "seed"]
    assert axes.fixed == {"steps": 20}
    assert [len(part) for part in axes.parts] == [2, 2, 3]
    assert axes.cells[0] == {"prompt": "a", "sampler": "euler", "seed": 1, "steps": 20}
    assert axes.cells[4] == {"prompt": "a", "sampler": "ddim", "seed": 2, "steps": 20}
    assert axes.cells[6] == {"prompt": "b", "sampler": "euler", "seed": 1, "steps": 20}
    assert axes.at(11) == {"prompt": "b", "sampler": "ddim", "seed": 3}


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"seed": [1]}, [1, 1, 1]),
        ({"seed": [1, 2]}, [1, 1, 2]),
        ({"steps": [1, 2, 3], "seed": [1, 2]}, [1, 3, 2]),
        ({"seed": [1, 2], "steps": [1, 2, 3]}, [1, 2, 3]),
    ],
)
def test_fewer_axes_are_columns_then_rows(settings: dict[str, list[int]], shape: list[int]) -> None:
    assert [len(part) for part in Axes.of(settings).parts] == shape


def test_a_value_that_is_given_twice_is_drawn_once() -> None:
    axes = Axes.of({"seed": [1, 1], "steps": [5, 10, 5]})

    assert axes.fixed == {"seed": 1}
    assert axes.varied[0].values == (5, 10)


def test_more_than_three_axes_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"4 settings have several values \(a, b, c, d\); expected at most 3"):
        Axes.of({name: [1, 2] for name in "abcd"})


def test_more_pictures_than_a_sheet_shows_are_refused() -> None:
    with pytest.raises(UsageError, match=f"{33 * 32} pictures; expected at most {MOST_CELLS}"):
        Axes.of({"seed": range(33), "steps": range(32)})


@pytest.mark.parametrize("settings", [{"seed": range(600)}, {"seed": range(500), "steps": range(2)}])
def test_more_columns_or_rows_than_a_sheet_has_room_for_are_refused(settings: dict[str, range]) -> None:
    with pytest.raises(UsageError, match=f"do not fit {MOST_WIDTH} pixels"):
        Axes.of(settings)


@pytest.mark.parametrize("counts", [(1, 1, 1), (1, 1, 300), (1, 30, 30), (2, 20, 20), (20, 2, 20), (10, 4, 2)])
def test_the_largest_pictures_of_a_sheet_fit_its_bounds(counts: tuple[int, int, int]) -> None:
    axes = Axes.of({name: range(count) for name, count in zip("abc", counts, strict=True)})

    side = axes.most_side
    assert side >= LEAST_SIDE
    assert side * side * axes.count <= MOST_PIXELS


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prompt": "a red circle", "sampler": "euler"}, "a red circle, euler"),
        ({"seed": 12345678901, "guidance": 4.0}, "seed 12345678901, guidance 4"),
        ({"guidance_interval": (0.28, float("inf"))}, "guidance interval 0.28,inf"),
        ({"negative_prompt": "blur"}, "negative prompt blur"),
        ({}, ""),
    ],
)
def test_a_label_names_what_its_value_does_not_tell(settings: dict[str, object], words: str) -> None:
    assert titled(settings) == words
