"""LatentLink beside other engines: the same model, prompt, seed, steps, size and threads, each in its own process."""

from __future__ import annotations

from latentlink.bench.against.contenders import Contender, other_contenders, our_contenders
from latentlink.bench.against.environment import default_folder
from latentlink.bench.against.our_side import OurSide, read_our_side
from latentlink.bench.against.report import COLUMNS, RATIOS, markdown, plot, side_title, to_json
from latentlink.bench.against.rounds import Outcome, Workload, compare_in_rounds

__all__ = [
    # sides
    "Contender",
    "other_contenders",
    "our_contenders",
    "OurSide",
    "read_our_side",
    # measuring
    "default_folder",
    "Outcome",
    "Workload",
    "compare_in_rounds",
    # results
    "COLUMNS",
    "RATIOS",
    "markdown",
    "plot",
    "side_title",
    "to_json",
]  # fmt: skip
