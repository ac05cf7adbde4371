"""The verdict of a whole run, its JSON, and its tables."""

from __future__ import annotations

import json
import math

import pytest

from latentlink.bench.cost import Spread
from latentlink.bench.gpu.findings import Check, GpuReport, Peak, SizedModel, Speed, Verdict, speedup
from latentlink.bench.gpu.tables import COMPILED, EAGER, show
from latentlink.errors import ExitStatus

WORK = SizedModel(model="sd15", width=512, height=512, batch=1)


def check(target: str, verdict: Verdict, name: str = "pictures") -> Check:
    reason = "" if verdict == "passed" else f"why {name} {verdict}"
    figures = {"worst_db": 41.25} if verdict == "passed" else {}
    return Check(name=name, target=target, precision="fp16", verdict=verdict, reason=reason, figures=figures)


def speed(side: str, milliseconds: float | None, verdict: Verdict = "passed") -> Speed:
    if milliseconds is None:
        return Speed(work=WORK, side=side, verdict=verdict, reason="no memory")
    step = Spread.of([milliseconds / 1000])
    return Speed(work=WORK, side=side, verdict=verdict, step=step, total=step, tflop=1.6, share=0.5, peak_mb=3000.0)


@pytest.mark.parametrize(
    ("verdicts", "asked", "status"),
    [
        ({"tensorrt": "passed"}, (), ExitStatus.DONE),
        ({"tensorrt": "passed", "ort-cuda": "not run"}, (), ExitStatus.DONE),
        ({"tensorrt": "passed", "ort-cuda": "not run"}, ("tensorrt",), ExitStatus.DONE),
        ({"tensorrt": "passed", "ort-cuda": "not run"}, ("ort-cuda", "tensorrt"), ExitStatus.ENGINE_NOT_VALID_HERE),
        ({"tensorrt": "passed", "ort-cuda": "failed"}, (), ExitStatus.FAILED),
        ({"tensorrt": "not run"}, (), ExitStatus.ENGINE_NOT_VALID_HERE),
        ({}, (), ExitStatus.ENGINE_NOT_VALID_HERE),
    ],
)
def test_the_status_is_0_only_where_a_target_ran_and_all_that_ran_passed(
    verdicts: dict[str, Verdict], asked: tuple[str, ...], status: ExitStatus
) -> None:
    checks = tuple(check(target, verdict) for target, verdict in verdicts.items())
    assert GpuReport(provenance={}, targets=asked, checks=checks).status == status


def test_a_speed_of_latentlink_counts_as_a_target_that_ran_and_one_of_another_system_does_not() -> None:
    theirs, ours = speed(EAGER, 10.0), speed("latentlink tensorrt", 5.0)
    assert GpuReport(provenance={}, speeds=(theirs,)).status == ExitStatus.ENGINE_NOT_VALID_HERE
    assert GpuReport(provenance={}, speeds=(theirs, ours)).status == ExitStatus.DONE
    failed = speed("latentlink ort-cuda", None, "failed")
    assert GpuReport(provenance={}, speeds=(theirs, ours, failed)).status == ExitStatus.FAILED


def test_everything_that_was_found_is_in_the_json() -> None:
    report = GpuReport(
        provenance={"gpu": {"name": "a GPU"}},
        checks=(check("tensorrt", "passed"), check("tensorrt", "not run", "refit")),
        speeds=(speed("latentlink tensorrt", 5.0),),
        peak=Peak(tflops=700.0, how="by hand"),
    )
    record = json.loads(json.dumps(report.to_json()))
    assert record["status"] == 0
    assert record["provenance"] == {"gpu": {"name": "a GPU"}}
    assert [entry["verdict"] for entry in record["checks"]] == ["passed", "not run"]
    assert record["checks"][0]["figures"] == {"worst_db": 41.25}
    assert record["matrix_product_peak"] == {"tflops": 700.0, "how": "by hand"}
    assert record["speeds"][0]["work"] == {"model": "sd15", "width": 512, "height": 512, "batch": 1}
    assert record["speeds"][0]["step"] == {"median": 0.005, "low": 0.005, "high": 0.005}


def test_equal_pictures_have_a_psnr_that_json_can_hold() -> None:
    equal = Check(name="pictures", target="a", precision="fp32", verdict="passed", figures={"db": math.inf, "n": 1.0})
    text = json.dumps(GpuReport(provenance={}, checks=(equal,)).to_json(), allow_nan=False)
    assert json.loads(text)["checks"][0]["figures"] == {"db": "inf", "n": 1.0}


def test_ratios_are_of_the_same_work_in_the_same_run() -> None:
    ours, theirs = speed("latentlink tensorrt", 5.0), speed(COMPILED, 7.5)
    assert speedup((ours, theirs), ours, COMPILED) == pytest.approx(1.5)
    again, slower = speed("latentlink ort-cuda", 5.0), speed(COMPILED, 10.0)
    assert speedup((ours, theirs, again, slower), again, COMPILED) == pytest.approx(2.0)
    assert speedup((ours,), ours, COMPILED) is None
    assert speedup((ours, speed(COMPILED, None, "not run")), ours, COMPILED) is None


def test_the_tables_show_what_ran_and_the_reasons_of_what_did_not(capsys: pytest.CaptureFixture[str]) -> None:
    report = GpuReport(
        provenance={},
        checks=(
            check("tensorrt", "passed"),
            check("ort-cuda", "failed"),
            check("ort-nv-rtx", "not run"),
            check("ort-tensorrt", "not run"),
        ),
        speeds=(speed("latentlink tensorrt", 5.0), speed(EAGER, 10.0), speed(COMPILED, None, "not run")),
        peak=Peak(tflops=700.0, how="by hand"),
    )
    show(report)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "tensorrt fp16 pictures passed worst_db 41.25" in lines
    assert "latentlink tensorrt 5.00 50% 0.005 s 2.00 3000 MB" in lines
    assert "Matrix products reach 700 TFLOP/s here: by hand." in lines
    assert "failed: pictures of ort-cuda fp16: why pictures failed" in lines
    assert "not run: pictures of ort-nv-rtx fp16, pictures of ort-tensorrt fp16: why pictures not run" in lines
    assert f"not run: {COMPILED} on sd15 512x512, batch 1: no memory" in lines
