"""The JSON of a record: written, read back equal, and refused in one sentence if anyone edited it."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlink.errors import UsageError
from latentlink.runtime.picture_files.record import Batch, Record
from latentlink.runtime.picture_files.record_reader import read_record
from tests.runtime.picture_files.samples import HARD_PROMPTS, SHA, record

BATCH = Batch(number=2, prompts=("a", "b"), negative_prompts=("", None), guidance=(7.5, 7.5, 1.0, 2.0))

RECORDS = (
    record(),
    record(strength=0.6, started_from={"image": (SHA,), "mask": (SHA, SHA)}),
    record(guidance_interval=(0.28, math.inf), conditions={"size": [1.0, 2.0], "negative_size": [0.1, 1e-300]}),
    record(batch=BATCH, seed=2**64 - 1, denoising_end=0.8),
    record(earlier=(record("first"), record("second", started_from={"latents": (SHA,)}))),
    record(negative_prompt=None, sigmas=None, spacing="trailing", shift=3.0, eta=0.5, version="7.8.9+local"),
)


@pytest.mark.parametrize("made", RECORDS)
def test_a_record_is_read_as_it_was_written(made: Record) -> None:
    assert read_record(made.to_text()) == made


@given(
    st.text(st.characters(codec="utf-8")),
    st.floats(0, 1000, allow_nan=False),
    st.integers(-(2**63), 2**64 - 1).filter(lambda seed: seed != -1),
)
def test_any_prompt_number_and_seed_keep_every_digit(prompt: str, guidance: float, seed: int) -> None:
    made = record(prompt, guidance=guidance, seed=seed)
    assert read_record(made.to_text()) == made


@pytest.mark.parametrize("prompt", HARD_PROMPTS)
def test_the_text_has_no_character_that_xml_reads(prompt: str) -> None:
    text = record(prompt).to_text()
    assert not {*"<>&\n"} & {*text}
    assert json.loads(text)["prompt"] == prompt


def test_keys_of_later_versions_are_not_read() -> None:
    values = json.loads(record().to_text())
    values["more"], values["options"]["more"], values["model"]["more"] = 1, [2], {}
    assert read_record(json.dumps(values)) == record()


def edited(*path: str, value: Any) -> str:
    values = json.loads(record(batch=BATCH).to_text())
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is no JSON"),
        ("{", "it is no JSON"),
        ("[" * 10**5, "it is nested too deeply"),
        ('{"a":' * 10**5, "it is nested too deeply"),
        ('{"format": NaN}', "received NaN"),
        ('{"format": 1' + "0" * 5000 + "}", "it is no JSON"),
        ("null", "the record is None"),
        ("[]", r"the record is \[\]"),
        ("{}", "it is of format None; this version of latentlink reads 1"),
        (edited("format", value=2), "it is of format 2"),
        (edited("prompt", value=3), "prompt is 3; expected text"),
        (edited("prompt", value=["a"]), r"prompt is \['a'\]"),
        (edited("prompt", value="x" * 20_001), "has 20001 characters; expected at most 20000"),
        (edited("prompt", value="a \ud800"), "which is no text"),
        (edited("options", value=[]), r"options is \[\]"),
        (edited("options", "steps", value=10**9), "steps is 1000000000; expected a whole number from 1 to 1000"),
        (edited("options", "steps", value=True), "steps is True"),
        (edited("options", "steps", value=[4]), r"steps is \[4\]"),
        (edited("options", "guidance", value="7"), "guidance is '7'"),
        (edited("options", "seed", value=-1), "seed is -1"),
        (edited("options", "seed", value=[1]), r"seed is \[1\]; expected one value"),
        (edited("options", "seed", value=2**70), "seed is 11805916207174113034"),
        (edited("options", "sampler", value=3), "sampler is 3"),
        (edited("options", "sampler", value="x" * 2000), "sampler is 'xxx"),
        (edited("options", "noise", value="loud"), "Unknown noise 'loud'"),
        (edited("options", "width", value=10**8), "width is 100000000"),
        (edited("options", "guidance_interval", value=3), "guidance_interval is 3"),
        (edited("options", "guidance_interval", value=["inf", "inf"]), "guidance_interval is inf"),
        (edited("options", "guidance_interval", value=[{}, []]), "guidance_interval is {}"),
        (edited("options", "conditions", value={"a": [[1]]}), r"'a' is \[1\]"),
        (edited("options", "conditions", value={"a": [1] * 101}), "a is "),
        (edited("options", "conditions", value={str(n): [1] for n in range(101)}), "object of at most 100 keys"),
        (edited("model", value=None), "model is None"),
        (edited("model", "manifest", value="../../x"), "expected a SHA-256"),
        (edited("model", "engines", value={"denoiser": "x"}), "the engine of 'denoiser' is 'x'"),
        (edited("model", "replaced", value={"vae_decoder": 5}), "replaced is 5"),
        (edited("started_from", value={"image": SHA}), "image is '0123"),
        (edited("started_from", value={"image": ["x"]}), "image is 'x'"),
        (edited("batch", "guidance", value=[]), r"guidance is \[\]"),
        (edited("batch", "guidance", value=[1.0] * 1025), "guidance is "),
        (edited("batch", "prompts", value=["a", "b", "c"]), "prompts is "),
        (edited("batch", "negative_prompts", value=[None]), "negative_prompts is "),
        (edited("batch", "number", value=5), "number is 5; expected a whole number from 1 to 4"),
        (edited("earlier_stages", value=3), "earlier_stages is 3"),
        (edited("earlier_stages", value=[{}]), "it is of format None"),
        (edited("earlier_stages", value=[{}] * 101), "earlier_stages is "),
        (edited("latentlink", value=None), "latentlink is None"),
    ],
)
def test_an_edited_record_is_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        read_record(text)
    assert len(str(refused.value)) < 400


def test_stages_are_not_nested() -> None:
    inner = record(earlier=(record(),))
    values = json.loads(record(earlier=(record(),)).to_text())
    values["earlier_stages"] = [json.loads(inner.to_text())]
    with pytest.raises(UsageError, match="none inside of another"):
        read_record(json.dumps(values))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
PATHS = [
    *[(key,) for key in ("prompt", "options", "batch", "model", "started_from", "earlier_stages", "latentlink")],
    *[("options", key) for key in (*record().options, "conditions", "guidance_interval", "strength", "spacing")],
    *[("batch", key) for key in ("number", "prompts", "negative_prompts", "guidance")],
    *[("model", key) for key in ("name", "family", "manifest", "replaced", "engines")],
    *[("started_from", key) for key in ("image", "mask", "latents")],
]


@given(st.sampled_from(PATHS), JSON)
def test_whatever_stands_in_a_record_it_is_read_or_refused(path: tuple[str, ...], value: Any) -> None:
    values = json.loads(RECORDS[1].to_text())
    values["batch"] = BATCH.to_json()
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with suppress(UsageError):
        assert isinstance(read_record(json.dumps(values)), Record)


def test_a_record_shows_no_prompt_of_itself() -> None:
    assert repr(record("secret")) == "<Record: demo, seed 7, sampler dpmpp_2m, steps 20>"
