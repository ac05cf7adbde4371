"""How cost grows: the exponent of a known law, and a real bundle measured along every axis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from latentlink.bench.cost import growth, run_in_new_process
from latentlink.bench.cost.growth import exponent, main, markdown


def test_the_exponent_is_that_of_the_law() -> None:
    assert exponent([1, 2, 4, 8], [3 * value**1.5 for value in (1, 2, 4, 8)]) == pytest.approx(1.5)


def test_each_axis_grows_alone_and_the_table_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[int, ...]] = []

    def measured(function: object, bundle: str, target: str, size: int, batch: int, steps: int, warm: int) -> object:
        ran.append((size, batch, steps))
        step = batch * (size / 64) ** 2
        return {"step_s": step, "vae_decoder_s": step, "total_s": steps * step, "peak_gb": 1.0 + batch}

    monkeypatch.setattr(growth, "run_in_new_process", measured)
    arguments = ["demo", str(tmp_path / "out.json"), "--sizes", "64,128", "--batches", "1,4", "--steps", "2,8"]
    done = CliRunner().invoke(main, [*arguments, "--base", "64"])
    assert done.exit_code == 0, done.output
    assert ran == [(64, 1, 2), (128, 1, 2), (64, 4, 2), (64, 1, 8)]
    found = json.loads((tmp_path / "out.json").read_text())
    exponents = {axis: one["exponents"] for axis, one in found["axes"].items()}
    assert exponents["size"]["step_s"] == pytest.approx(2)
    assert exponents["batch"]["step_s"] == pytest.approx(1)
    assert exponents["steps"]["total_s"] == pytest.approx(1)
    assert exponents["steps"]["peak_gb"] == pytest.approx(0)
    table = markdown(found)
    assert "| 128 | 4 | 4 | 8 | 2 |" in table
    assert "| exponent | 2.00 | 2.00 | 2.00 | 0.00 |" in table


def test_a_bundle_is_measured_in_a_process_of_its_own() -> None:
    found = run_in_new_process(growth.measure_one, "demo", "auto", 64, 2, 2, 1)
    assert 0 < found["step_s"] < found["total_s"]
    assert found["peak_gb"] > 0.03


@pytest.mark.parametrize("value", ["a", "0,2", ""])
def test_what_is_no_list_of_numbers_is_refused(value: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["demo", str(tmp_path / "out.json"), "--sizes", value])
    assert done.exit_code == 2
    assert "is not a list of whole numbers" in done.output
