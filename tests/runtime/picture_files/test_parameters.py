"""The text `parameters`: as the web UI writes it, and taken apart again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlink.runtime.picture_files.parameters import NEGATIVE, Parameters, parameters_of, read_parameters
from latentlink.runtime.samplers import FLOW_SAMPLERS, SAMPLERS, own_names, read_schedule
from latentlink.runtime.samplers.names import WEB_NAMES
from tests.runtime.picture_files.samples import HARD_PROMPTS, record

SETTINGS = {"Steps": "20", "Sampler": "DPM++ 2M", "CFG scale": "7.5"}

SCHEDULE = read_schedule({"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"})
FLOW = read_schedule({"prediction_type": "flow_prediction", "shift": 3.0})


def test_the_text_has_the_form_of_the_web_ui() -> None:
    assert parameters_of(record("a red circle,\non blue")).to_text() == (
        "a red circle,\non blue\n"
        "Negative prompt: blurry, grey\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 7, Size: 64x48, "
        "Model hash: 0123456789, Model: demo, RNG: CPU, Version: latentlink 0.1.0"
    )


def test_a_run_from_a_picture_has_a_denoising_strength() -> None:
    made = parameters_of(record(strength=0.6, sampler="euler_a", sigmas=None, guidance=1.0))
    assert made.settings["Denoising strength"] == "0.6"
    assert made.settings["Sampler"] == "Euler a"
    assert made.settings["CFG scale"] == "1"
    assert "Schedule type" not in made.settings


def test_levels_that_the_web_ui_would_choose_otherwise_are_named() -> None:
    assert parameters_of(record(sigmas=None)).settings["Schedule type"] == "Uniform"


@pytest.mark.parametrize("prompt", HARD_PROMPTS)
def test_hard_prompts_are_read_as_they_were_written(prompt: str) -> None:
    for made in (record(prompt), record("x", negative_prompt=prompt), record(prompt, negative_prompt="")):
        written = parameters_of(made)
        assert read_parameters(written.to_text()) == written


def _is_told_apart(text: str) -> bool:
    return not any(line.startswith(NEGATIVE) for line in text.split("\n"))


PROMPTS = st.text(st.characters(codec="utf-8")).filter(_is_told_apart)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\n"))
NAMES = st.from_regex(r"[A-Z][a-z0-9]{0,8}( [a-z]{1,8}){0,2}", fullmatch=True)


@given(prompt=PROMPTS, negative=PROMPTS, more=st.dictionaries(NAMES, VALUES, max_size=6))
def test_whatever_is_written_is_read_back(prompt: str, negative: str, more: dict[str, str]) -> None:
    written = Parameters(prompt=prompt, negative_prompt=negative, settings={**SETTINGS, **more})
    assert read_parameters(written.to_text()) == written


@given(st.text())
def test_any_text_is_taken_apart_or_has_no_settings(text: str) -> None:
    found = read_parameters(text)
    assert found is None or "Steps" in found.settings


@pytest.mark.parametrize(
    "text",
    ["", "a red circle", '{"steps": 3}', "Steps: 3", "Seed: 1, Size: 2x2, Model: x", ": , : , :", "a: 1, b: 2, c: 3"],
)
def test_a_text_without_settings_is_told_from_one_that_has_them(text: str) -> None:
    assert read_parameters(text) is None


def test_the_text_of_another_program_is_read() -> None:
    found = read_parameters(
        "masterpiece, a lighthouse,\n<lora:x:0.8>\r\n"
        "Negative prompt: (worst quality:1.4),\nlow quality\n"
        "Steps: 28, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x768, Model hash: 45dee52b, "
        'Lora hashes: "x: 1234, y: 5678", Hires upscale: 2\n'
        "Template: a lighthouse"
    )
    assert found is not None
    assert found.prompt == "masterpiece, a lighthouse,\n<lora:x:0.8>\r"
    assert found.negative_prompt == "(worst quality:1.4),\nlow quality"
    assert found.settings["Lora hashes"] == "x: 1234, y: 5678"
    assert found.settings["Hires upscale"] == "2"


@pytest.mark.parametrize("one", ["a" * 10**6, 'a:"' * 300_000, "a:," * 300_000, 'a:"\\",' * 150_000, "\n" * 10**6])
def test_a_text_of_a_megabyte_is_taken_apart_at_once(one: str) -> None:
    # a regular expression that goes back would need hours
    found = read_parameters(f"{one}\nSteps: 3, Seed: 1, Size: 8x8")
    assert found is not None
    assert read_parameters(one) is None


@pytest.mark.parametrize("sampler", [*SAMPLERS, *FLOW_SAMPLERS])
def test_the_name_of_every_sampler_in_the_text_means_it_here(sampler: str) -> None:
    schedules = [*([SCHEDULE] if sampler in SAMPLERS else []), *([FLOW] if sampler in FLOW_SAMPLERS else [])]
    for schedule in schedules:
        assert own_names(schedule, sampler=WEB_NAMES.get(sampler, sampler), steps=20).sampler == sampler
