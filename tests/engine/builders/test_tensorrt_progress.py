"""Nested phases to one share of the whole."""

from __future__ import annotations

from latentlink.engine.builders.tensorrt_progress import Phases


def test_the_share_of_the_outermost_phase_counts_what_is_done_inside_of_its_step() -> None:
    told: list[tuple[str, float]] = []
    phases = Phases(lambda phase, share: told.append((phase, round(share, 3))))
    phases.start("build", None, 4)
    phases.step("build", 0)
    phases.start("graph", "build", 2)
    phases.start("nodes", "graph", 5)
    phases.step("nodes", 4)
    phases.finish("nodes")
    phases.step("graph", 0)
    phases.step("graph", 1)
    phases.finish("graph")
    phases.step("build", 1)
    phases.finish("build")
    assert told == [
        ("build", 0.0),
        ("build", 0.25),
        ("build: graph", 0.25),
        ("build: nodes", 0.25),
        ("build: nodes", 0.375),
        ("build: graph", 0.375),
        ("build: graph", 0.5),
        ("build", 0.5),
    ]


def test_a_phase_that_is_not_open_is_nobodys_step() -> None:
    told: list[str] = []
    phases = Phases(lambda phase, share: told.append(phase))
    phases.step("build", 0)
    phases.finish("build")
    assert told == []
