"""What the commands print: JSON that strict parsers read, and decisions in words."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from latentlink.cli.shared.words import skipped
from latentlink.runtime.linking import Admission, Decision
from latentlink.runtime.linking.decisions import Skipped
from latentlink.terminal.printing import json_text


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_infinity_and_nan_are_null_at_any_depth() -> None:
    value = {"interval": (0.28, math.inf), "figures": [{"psnr": math.nan, "snr": -math.inf}], "steps": 4, "name": "a"}
    expected = {"interval": [0.28, None], "figures": [{"psnr": None, "snr": None}], "steps": 4, "name": "a"}
    assert strict(json_text(value)) == expected


def test_a_replacement_that_equals_the_golden_outputs_is_valid_json() -> None:
    decision = Decision(
        component="vae_decoder",
        bundle="other",
        target="ort-cpu",
        precision="float32",
        admission=Admission(host="demo", same=True, snr=math.inf),
    )
    assert strict(json_text(asdict(decision)))["admission"] == {"host": "demo", "same": True, "snr": None}


def test_a_path_is_refused_rather_than_written_as_something_else() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        json_text({"file": Path("out.png")})


def test_a_skipped_engine_for_previews_is_told_from_that_of_the_pipeline() -> None:
    gpu = Skipped(
        component="vae_decoder",
        target="ort-cuda",
        precision="float16",
        code="no-gpu",
        needed="a GPU",
        found="none",
        remedy="",
    )
    own = Decision(component="vae_decoder", bundle="demo", target="ort-cpu", precision="float32", skipped=(gpu,))
    small = replace(own, bundle="demo-tiny", purpose="preview")
    assert skipped([own, small]) == [
        "vae_decoder, vae_decoder for previews: ort-cuda skipped: engine valid for a GPU, this machine has none "
        "(no-gpu)"
    ]
