"""The options of a generation: described in one place, and the same in Python and on the command line."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

import latentlink
from latentlink.cli import group
from latentlink.engine.targets import TARGETS
from latentlink.options import (
    OPTIONS,
    DenoisingOptions,
    FlowSampler,
    GenerateOptions,
    NoiseName,
    NoiseSampler,
    OnOff,
    RunOptions,
    SamplerName,
    SigmasName,
    SpacingName,
    StageOptions,
    TargetName,
    table,
)
from latentlink.runtime.guards.guard import GUARDS
from latentlink.runtime.request.docstrings import describe
from latentlink.runtime.samplers import FLOW_SAMPLERS, SAMPLERS, SIGMAS, SPACINGS
from latentlink.runtime.samplers.noise import NOISES
from tests.house import FOLDERS, ROOT, sources

ADDED = """    grain: Annotated[float | None, _share("How much film grain is added, 0 to 1.")]
"""

# Run where `grain` was added to the table, and to nothing else.
PROBE = """
import inspect, json
import numpy as np
from click.testing import CliRunner
import latentlink
from latentlink.bench.parity.case import Case
from latentlink.cli import group
from latentlink.cli.commands.chain import _read
from latentlink.runtime.request import resolve

def shown(*words):
    return CliRunner().invoke(group, [*words, "--help"]).output

with latentlink.load("demo") as pipe:
    stage = latentlink.Stage(pipeline=pipe, grain=0.3)
    made = pipe.generate("a", seed=1, steps=1, grain=0.3, decode=False)
    try:
        refusal = pipe.generate("a", grain=2.0)
    except latentlink.UsageError as error:
        refusal = str(error)
    line = CliRunner().invoke(group, ["generate", "demo", "a", "-o", "x.png", "--grain", "2"])
print(json.dumps({
    "parameter": str(inspect.signature(pipe.generate).parameters["grain"]),
    "documented": "grain: How much film grain is added" in inspect.getdoc(pipe.generate),
    "refused": refusal,
    "command line": "--grain" in shown("generate") and "How much film grain" in shown("generate"),
    "refused there": str(line.exception),
    "chain": [dict(stage.options)["grain"], _read("demo,grain=0.3")[1]["grain"], "grain" in shown("chain")],
    "bench": ["--grain" in shown("bench"), Case(grain=0.3)["grain"]],
}))
"""


def test_an_option_that_is_added_in_one_place_is_everywhere(tmp_path: Path) -> None:
    for path in (path for folder in FOLDERS for path in sources(folder)):
        target = tmp_path / Path(*(path.parts if path.parts[0] == "latentlink" else ("latentlink", *path.parts)))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
    (tmp_path / "latentlink" / "demo" / "bundles").symlink_to(ROOT / "demo" / "bundles")
    table = tmp_path / "latentlink" / "options.py"
    before = "    conditions: Annotated["
    text = table.read_text(encoding="utf-8")
    assert text.count(before) == 1
    table.write_text(text.replace(before, ADDED + before), encoding="utf-8")

    done = subprocess.run([sys.executable, "-c", PROBE], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "parameter": "grain: float | None = None",
        "documented": True,
        "refused": "grain is 2.0; expected 0 to 1.",
        "command line": True,
        "refused there": "--grain is 2.0; expected 0 to 1.",
        "chain": [0.3, 0.3, True],
        "bench": [True, 0.3],
    }


def test_help_and_signature_show_every_option_with_its_meaning() -> None:
    signature = inspect.signature(latentlink.Pipeline.generate)
    doc = " ".join((latentlink.Pipeline.generate.__doc__ or "").split())
    assert [*signature.parameters] == ["self", "prompt", "on_step", *OPTIONS]
    for name, option in OPTIONS.items():
        assert f"{name}: {describe(option)}" in doc, name
        assert signature.parameters[name].default == option.default
    assert {*inspect.signature(latentlink.Stage).parameters} == {"pipeline", *table(StageOptions)}
    assert {*inspect.signature(latentlink.chain).parameters} >= {*table(RunOptions)}


def test_every_option_is_on_the_command_line() -> None:
    shown = " ".join(CliRunner().invoke(group, ["generate", "--help"], terminal_width=200).output.split())
    for name, option in OPTIONS.items():
        if name != "decode":  # said by -o and --output-latents
            assert option.switch in shown
            assert option.help in shown, name


@pytest.mark.parametrize("options", [DenoisingOptions, RunOptions, GenerateOptions, StageOptions])
def test_every_option_has_a_sentence_and_a_type(options: type) -> None:
    for name, option in table(options).items():
        assert option.help.endswith("."), name
        assert option.name == name
        assert isinstance(option.type, type)


def test_what_the_types_name_is_there() -> None:
    assert OPTIONS["noise"].choices == get_args(NoiseName) == tuple(NOISES)
    assert OPTIONS["guard"].choices == get_args(OnOff) == GUARDS
    assert get_args(SpacingName) == tuple(SPACINGS)
    assert get_args(SigmasName) == tuple(SIGMAS)
    assert get_args(NoiseSampler) == tuple(SAMPLERS)
    assert get_args(FlowSampler) == tuple(FLOW_SAMPLERS)
    assert {*get_args(SamplerName)} == {*SAMPLERS, *FLOW_SAMPLERS}
    assert get_args(TargetName) == ("auto", *TARGETS)


def test_the_sentences_name_the_same_as_the_types() -> None:
    assert all(name in OPTIONS["spacing"].help for name in SPACINGS)
    assert all(name in OPTIONS["sigmas"].help for name in SIGMAS)
    named, flow = OPTIONS["sampler"].help.removeprefix("Sampler: ").split("; for flow-matching models ")
    assert named.split(", ") == [*SAMPLERS]
    assert flow.partition(".")[0].split(", ") == [*FLOW_SAMPLERS]


def test_an_option_that_also_takes_other_names_has_no_closed_choice() -> None:
    for name in ("sampler", "spacing", "sigmas"):
        assert OPTIONS[name].choices == ()
        assert OPTIONS[name].type is str


def test_a_misspelt_option_is_refused_with_the_one_that_was_meant() -> None:
    with latentlink.load("demo") as pipe:
        with pytest.raises(TypeError, match=r"generate\(\) got an unexpected keyword argument 'step'.*'steps'"):
            pipe.generate("a", step=3)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"'num_inference_steps'. Did you mean 'steps'"):
            pipe.generate("a", num_inference_steps=3)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"Stage\(\) got an unexpected keyword argument 'num_images'"):
            latentlink.Stage(pipeline=pipe, num_images=2)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("steps", 8, ["--steps=8"]),
        ("guidance_interval", (0.28, 5.42), ["--guidance-interval=0.28,5.42"]),
        (
            "conditions",
            {"original_size": (512, 256), "score": 6},
            ["--condition=original_size=512,256", "--condition=score=6"],
        ),
    ],
)
def test_a_value_is_written_as_the_command_line_reads_it(name: str, value: object, words: list[str]) -> None:
    assert OPTIONS[name].words(value) == words


@pytest.mark.parametrize(("old", "new"), [("memory", "vae_memory"), ("resident", "engine_memory")])
def test_a_renamed_argument_is_refused_with_its_new_name(old: str, new: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=f"'{old}'. It is called {new} now."):
        latentlink.load("demo", **{old: 10**9})  # type: ignore[arg-type]
    done = CliRunner().invoke(group, ["generate", "demo", "a", "-o", str(tmp_path / "x.png"), f"--{old}", "1GB"])
    assert done.exit_code == 2
    assert f"--{old} is called --{new.replace('_', '-')} now." in done.output


def test_the_types_admit_none_which_is_the_default() -> None:
    for options in (GenerateOptions, StageOptions, RunOptions):
        assert [name for name, one in table(options).items() if type(None) not in get_args(one.annotation)] == []


def test_a_stage_is_changed_and_what_is_none_is_taken_out() -> None:
    with latentlink.load("demo") as pipe:
        stage = latentlink.Stage(pipeline=pipe, steps=3, strength=0.5).changed(steps=4, strength=None)
        assert dict(stage.options) == {"steps": 4}
        assert stage.pipeline is pipe


@pytest.mark.parametrize("value", [1, "no", 0.0])
def test_what_is_no_truth_value_is_refused(value: object) -> None:
    with latentlink.load("demo") as pipe, pytest.raises(latentlink.UsageError, match=r"decode is .* True or False"):
        pipe.generate("a", steps=1, decode=value)  # type: ignore[arg-type]
