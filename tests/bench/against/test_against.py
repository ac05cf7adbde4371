"""A comparison: who takes part, each in a process of its own and in turns, and what is said of those that cannot."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from latentlink.bench.against import (
    Contender,
    OurSide,
    Outcome,
    Workload,
    compare_in_rounds,
    environment,
    markdown,
    other_contenders,
    our_contenders,
    plot,
    read_our_side,
    to_json,
)
from latentlink.bench.against import rounds as comparing
from latentlink.bench.against.environment import SideNotReady, ensure_python, prepare_model
from latentlink.bench.against.sides import SIDES, Side
from latentlink.cli.commands.bench import command
from latentlink.demo import checkpoint
from latentlink.errors import UsageError
from tests.bench.pages import with_table
from tests.native.built_files import built

WORK = Workload(prompt="a red circle on a blue background", steps=4, sampler="ddim", width=64, height=64, threads=1)


def entered(*names: str) -> list[Contender]:
    first = our_contenders([OurSide(bundle="demo")])
    return [*first, *other_contenders(",".join(names), *first)]


def test_sides_are_named_with_their_precision() -> None:
    assert [one.title for one in entered("diffusers, diffusers:bfloat16", "optimum")] == [
        "LatentLink ort-cpu, float32",
        "diffusers, float32",
        "diffusers, bfloat16",
        "Optimum, float32",
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("abacus", "Unknown side 'abacus'; expected some of: latentlink-native, diffusers, torch-compile"),
        ("latentlink-native:bfloat16", "latentlink-native computes in float32 here, but received 'bfloat16'"),
        ("optimum:int4", "optimum computes in float32 here, but received 'int4'"),
    ],
)
def test_an_unknown_side_or_precision_is_refused(asked: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        entered(asked)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"sampler": "unipc"}, "'unipc' is not one that all sides have"), ({"steps": 2}, "expected at least 3")],
)
def test_work_that_is_not_the_same_for_all_is_refused(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        compare_in_rounds(checkpoint("demo"), entered("diffusers"), replace(WORK, **changed), rounds=1, folder=tmp_path)
    with pytest.raises(UsageError, match=r"no model_index\.json"):
        compare_in_rounds(tmp_path, entered("diffusers"), WORK, rounds=1, folder=tmp_path)


def test_the_same_picture_is_drawn_and_timed_by_all(tmp_path: Path) -> None:
    told: list[str] = []
    outcomes = compare_in_rounds(
        checkpoint("demo"),
        entered("diffusers"),
        WORK,
        rounds=1,
        folder=tmp_path,
        pictures=tmp_path / "pictures",
        on_progress=lambda done, count, what: told.append(what),
    )
    assert told == ["LatentLink ort-cpu, float32", "diffusers, float32"]
    for one in outcomes:
        assert one.reason == ""
        (values,) = one.rounds
        assert 0 < values["step"] < values["total"] < values["cold"]
        assert 0 < values["vae_decoder"] < values["total"]
        assert 0.03 < values["peak_gb"] < 4  # an interpreter with numpy, and less than all of a small machine
        assert set(one.versions) <= set(one.contender.side.packages)
    assert outcomes[1].versions.keys() == {"diffusers", "torch"}
    ours, theirs = (Image.open(path).convert("RGB") for path in sorted((tmp_path / "pictures").iterdir()))
    assert ours.size == theirs.size == (64, 64)
    difference = [abs(a - b) for a, b in zip(ours.tobytes(), theirs.tobytes(), strict=True)]
    assert max(difference) <= 2  # float32 on both sides: the roundings of four steps


def test_the_native_runtime_draws_the_same_picture_in_less_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = built("latentlink-native")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    ours, native = compare_in_rounds(
        checkpoint("demo"),
        entered("latentlink-native"),
        WORK,
        rounds=1,
        folder=tmp_path,
        pictures=tmp_path / "pictures",
    )
    assert (native.contender.title, native.reason) == ("LatentLink native ort-cpu, float32", "")
    ((values,), (python,)) = native.rounds, ours.rounds
    assert 0 < values["step"] < values["total"] < values["cold"]
    assert 0 < values["vae_decoder"] < values["total"]
    assert values["peak_gb"] < python["peak_gb"]  # no interpreter
    assert native.versions["onnxruntime"] == ours.versions["onnxruntime"]
    one, other = (Image.open(path).tobytes() for path in sorted((tmp_path / "pictures").iterdir()))
    assert one == other


def test_a_native_runtime_that_is_not_built_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "a" / "b" / "c" / "environment.py"))
    _, native = compare_in_rounds(checkpoint("demo"), entered("latentlink-native"), WORK, rounds=1, folder=tmp_path)
    assert native.reason == "latentlink-native is not in PATH, and not built here: make native."


def test_steps_of_two_kinds_have_no_middle_one(tmp_path: Path) -> None:
    sides = our_contenders([read_our_side("demo"), read_our_side("demo+step_cache=2")])
    whole, cached = compare_in_rounds(checkpoint("demo"), sides, WORK, rounds=1, folder=tmp_path)
    assert cached.reason == whole.reason == ""
    assert whole.rounds[0].keys() - cached.rounds[0].keys() == {"step"}
    assert cached.ratio("step", whole) is None


def fakes(monkeypatch: pytest.MonkeyPatch, measured: Callable[[str], Mapping[str, float]]) -> None:
    """Processes that are not started: what each would have measured, by its side's name."""

    def run(python: str, job: Mapping[str, Any]) -> tuple[Mapping[str, float], Mapping[str, str]]:
        return measured(job["side"]), {}

    monkeypatch.setattr(comparing, "_measured", run)


def test_rounds_begin_with_another_side_and_ratios_are_of_the_same_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    slower = iter([1.0, 1.0, 3.0, 3.0, 1.0, 1.0])  # both sides of the second round

    def measured(side: str) -> dict[str, float]:
        order.append(side)
        return {"step": next(slower) * (2.0 if side == "diffusers" else 1.0)}

    fakes(monkeypatch, measured)
    ours, theirs = compare_in_rounds(checkpoint("demo"), entered("diffusers"), WORK, rounds=3, folder=tmp_path)
    assert order == ["latentlink", "diffusers", "diffusers", "latentlink", "latentlink", "diffusers"]
    assert theirs.ratio("step", ours) == 2.0
    spread = theirs.spread("step")
    assert spread is not None
    assert (spread.median, spread.low, spread.high) == (2.0, 2.0, 6.0)
    assert theirs.spread("energy_j") is None


def test_each_of_ours_has_its_bundle_target_settings_and_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Mapping[str, Any]] = []

    def run(python: str, job: Mapping[str, Any]) -> tuple[Mapping[str, float], Mapping[str, str]]:
        jobs.append(job)
        return {"step": 1.0}, {}

    monkeypatch.setattr(comparing, "_measured", run)
    ours = our_contenders([OurSide(bundle="demo"), read_our_side("demo-b@ort-cpu+step_cache=2")])
    sides = [*ours, *other_contenders("diffusers", ours[0])]
    compare_in_rounds(checkpoint("demo"), sides, WORK, rounds=2, folder=tmp_path, pictures=tmp_path)
    assert [(Path(job["model"]).name, job["side"]) for job in jobs] == [
        ("demo", "latentlink"),
        ("demo-b", "latentlink"),
        ("demo", "diffusers"),
        ("demo-b", "latentlink"),
        ("demo", "diffusers"),
        ("demo", "latentlink"),
    ]
    first, second, theirs = jobs[:3]
    assert (first["target"], first["settings"], first["denoiser"]) == ("auto", {}, "ort-cpu")
    assert (second["target"], second["settings"], second["denoiser"]) == ("ort-cpu", {"step_cache": 2}, "ort-cpu")
    assert not {"target", "settings"} & theirs.keys()
    assert len({job["picture"] for job in jobs}) == 3
    assert Path(second["picture"]).name == "2-LatentLink-ort-cpu-demo-b-float32-step-cache-2.png"


def test_a_side_that_opens_with_another_engine_than_its_title_says_is_not_measured(tmp_path: Path) -> None:
    (one,) = our_contenders([OurSide(bundle="demo")])
    (outcome,) = compare_in_rounds(
        checkpoint("demo"), [replace(one, denoiser="openvino-cpu")], WORK, rounds=1, folder=tmp_path
    )
    assert "expected the denoiser for openvino-cpu in float32, but opened ort-cpu in float32" in outcome.reason


def test_a_side_that_fails_says_why_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def measured(side: str) -> dict[str, float]:
        calls.append(side)
        if side == "diffusers":
            raise SideNotReady("it ended with exit status 1: MemoryError")
        return {"step": 1.0}

    fakes(monkeypatch, measured)
    outcomes = compare_in_rounds(
        checkpoint("demo"), entered("diffusers", "torch-compile"), WORK, rounds=2, folder=tmp_path
    )
    assert [one.reason for one in outcomes] == ["", "it ended with exit status 1: MemoryError", ""]
    assert [len(one.rounds) for one in outcomes] == [2, 0, 2]
    assert calls.count("diffusers") == 1


def test_relative_paths_are_those_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[str] = []

    def run(python: str, job: Mapping[str, Any]) -> tuple[Mapping[str, float], Mapping[str, str]]:
        models.append(job["model"])
        return {"step": 1.0}, {}

    monkeypatch.setattr(comparing, "_measured", run)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_index.json").write_text("{}")
    sides = [replace(one, ours=one.ours and OurSide(bundle="bundle")) for one in entered("diffusers")]
    compare_in_rounds("model", sides, WORK, rounds=1, folder=tmp_path)
    assert models == [str((tmp_path / name).resolve()) for name in ("bundle", "model")]


def test_what_a_process_said_last_is_why_it_failed(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    (one,) = our_contenders([OurSide(bundle="demo")])
    lost = replace(one, ours=OurSide(bundle="no-such-bundle"))
    outcomes = compare_in_rounds(tmp_path, [lost], WORK, rounds=1, folder=tmp_path)
    assert "no-such-bundle" in outcomes[0].reason


OWN = Side(
    title="Own", packages=("own",), requirements=("own==1",), unwanted=("other",), prepare=("-c", "{model} {out}")
)


def test_an_environment_is_made_once_and_again_where_it_was_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    fails = [True]

    def run(pip: list[str], what: str) -> None:
        ran.append(pip[pip.index("--python") + 2 :])
        if fails[0]:
            raise SideNotReady(f"{what} failed")

    monkeypatch.setattr(environment, "_run", run)
    with pytest.raises(SideNotReady, match="installing Own failed"):
        ensure_python(OWN, tmp_path, lambda what: None)
    fails[0] = False
    python = ensure_python(OWN, tmp_path, lambda what: None)
    assert Path(python).exists()
    assert ensure_python(OWN, tmp_path, lambda what: None) == python
    assert ran == [["install", "own==1"], ["install", "own==1"], ["uninstall", "--yes", "other"]]
    changed = replace(OWN, requirements=("own==2",))
    assert ensure_python(changed, tmp_path, lambda what: None) != python


def test_a_model_is_prepared_once_for_a_state_of_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def run(line: list[str], what: str) -> None:
        model, out = line[-1].split(" ")
        made.append(model)
        Path(out).mkdir()

    monkeypatch.setattr(environment, "_run", run)
    model = tmp_path / "model"
    model.mkdir()
    (model / "model_index.json").write_text("{}")
    first = prepare_model(OWN, "python", model, tmp_path, lambda what: None)
    assert prepare_model(OWN, "python", model, tmp_path, lambda what: None) == first
    (model / "model_index.json").write_text("{} ")
    assert prepare_model(OWN, "python", model, tmp_path, lambda what: None) != first
    assert made == [str(model)] * 2
    assert prepare_model(SIDES["diffusers"], "python", model, tmp_path, lambda what: None) is None


def test_a_tool_that_is_missing_or_fails_says_so(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    with pytest.raises(SideNotReady, match=r"preparing the model for Own failed: .*No such file"):
        prepare_model(OWN, str(tmp_path / "python"), model, tmp_path, lambda what: None)
    assert not [*(tmp_path / "models").glob("own-*[0-9a-f]")]


def found(*also: str) -> dict[str, Any]:
    first, *more = our_contenders([OurSide(bundle="demo"), *map(read_our_side, also)])
    ours = Outcome(
        contender=first,
        rounds=[{"step": 2.0, "total": 20.0, "vae_decoder": 1.5, "cold": 30.0, "peak_gb": 4.0}],
    )
    theirs = Outcome(
        contender=Contender(name="diffusers", precision="bfloat16", side=SIDES["diffusers"]),
        rounds=[{"step": 5.0, "total": 45.0, "vae_decoder": 3.25, "cold": 60.0, "peak_gb": 6.0}],
    )
    lost = Outcome(contender=Contender(name="optimum", precision="float32", side=SIDES["optimum"]), reason="it is gone")
    halved = {name: value / 2 for name, value in ours.rounds[0].items()}
    others_of_ours = [Outcome(contender=one, rounds=[halved]) for one in more]
    return to_json([ours, *others_of_ours, theirs, lost], WORK, rounds=1, more={"bundle": "demo"})


def test_the_table_is_made_from_the_json_alone() -> None:
    table = markdown(json.loads(json.dumps(found())))
    lines = table.splitlines()
    assert lines[0] == "|  | s a step | VAE, s | picture, s | first picture, s | peak memory, GB |"
    assert lines[2] == "| LatentLink ort-cpu, float32 | 2 | 1.5 | 20 | 30 | 4.00 |"
    assert lines[3] == "| diffusers, bfloat16 | 5 (2.50x) | 3.25 | 45 (2.25x) | 60 | 6.00 (1.50x) |"
    assert "Optimum, float32: not measured, it is gone" in lines
    assert "4 steps of ddim" in table
    assert "brackets" not in table


def test_several_of_ours_are_told_apart_and_compared_with_the_first() -> None:
    record = json.loads(json.dumps(found("demo-b", "demo-b@ort-cpu+step_cache=2")))
    first, second, third, theirs, _ = record["sides"]
    asked = [(one["bundle"], one["target"], one["settings"], one["denoiser"]) for one in (first, second, third)]
    assert asked == [
        ("demo", "auto", {}, "ort-cpu"),
        ("demo-b", "auto", {}, "ort-cpu"),
        ("demo-b", "ort-cpu", {"step_cache": 2}, "ort-cpu"),
    ]
    assert "bundle" not in theirs
    assert first["ratios"] == {}
    assert {second["ratios"]["step"], third["ratios"]["total"]} == {0.5}
    lines = markdown(record).splitlines()
    assert lines[2] == "| LatentLink ort-cpu (demo), float32 | 2 | 1.5 | 20 | 30 | 4.00 |"
    assert lines[3].startswith("| LatentLink ort-cpu (demo-b@auto), float32 | 1 (0.50x) |")
    assert lines[4].startswith("| LatentLink ort-cpu (demo-b@ort-cpu), float32, step cache 2 | 1 (0.50x) |")
    assert lines[5].startswith("| diffusers, bfloat16 | 5 (2.50x) |")
    (told,) = (line for line in lines if "medians of" in line)
    assert told.endswith("In brackets, times the figure of LatentLink ort-cpu (demo), float32.")


def test_a_record_from_before_sides_had_targets_is_still_a_table() -> None:
    record = found()
    for side in record["sides"]:
        for name in ("bundle", "target", "settings", "denoiser"):
            side.pop(name, None)
    record["sides"][0]["title"] = "LatentLink"
    assert markdown(record).splitlines()[2].startswith("| LatentLink, float32 | 2 |")


def test_a_page_takes_the_table_between_its_lines() -> None:
    page = "before\n<!-- bench: results/a.json -->\nold\n<!-- /bench -->\nafter\n"
    assert with_table(page, "results/a.json", "new\n") == page.replace("old", "new")
    with pytest.raises(ValueError, match=r"results/b\.json"):
        with_table(page, "results/b.json", "new\n")


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    plot(found(), tmp_path / "plot.png")
    assert Image.open(tmp_path / "plot.png").size[0] > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--against", "diffusers"], "--against needs --checkpoint"),
        (["demo", "--threads", "2", "--plot", "a.png"], "--threads, --plot can only be used with --against"),
        (["demo", "--also", "demo-b"], "--also can only be used with --against"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert message in done.output
