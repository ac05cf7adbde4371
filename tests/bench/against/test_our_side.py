"""Sides of ours in a comparison: how they are asked for, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from click.testing import CliRunner

from latentlink.bench.against import OurSide, our_contenders, read_our_side
from latentlink.cli import group
from latentlink.demo import checkpoint
from latentlink.errors import PreflightError, UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sd15", OurSide(bundle="sd15")),
        ("sd15@ort-cpu", OurSide(bundle="sd15", target="ort-cpu")),
        ("sd15@auto", OurSide(bundle="sd15")),
        ("sd15+step_cache=2", OurSide(bundle="sd15", settings={"step_cache": 2})),
        ("a/b@openvino-cpu+step_cache=3", OurSide(bundle="a/b", target="openvino-cpu", settings={"step_cache": 3})),
        ("me@home/sd15+lora", OurSide(bundle="me@home/sd15+lora")),
        ("a+b=c/sd15@ort-cpu", OurSide(bundle="a+b=c/sd15", target="ort-cpu")),
    ],
)
def test_a_side_of_ours_is_a_bundle_a_target_and_settings(text: str, expected: OurSide) -> None:
    assert read_our_side(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' names no bundle; expected one"),
        ("@ort-cpu", "'@ort-cpu' names no bundle; expected one"),
        ("sd15@abacus", "Unknown target 'abacus' in 'sd15@abacus'; expected auto or one of: .*ort-cpu"),
        ("sd15@", "Unknown target ''"),
        ("sd15+cache=2", r"Unknown setting 'cache' in 'sd15\+cache=2'; expected step_cache"),
        ("sd15+step_cache=0", r"step_cache is '0' in .*; expected a whole number of at least 1"),
        ("sd15+step_cache=two", "step_cache is 'two'"),
        ("sd15+step_cache=2@ort-cpu", "step_cache is '2@ort-cpu'"),
        ("sd15+step_cache=2+step_cache=3", "sets step_cache twice; expected once"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_how_to_write_it(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_our_side(text)
    assert "BUNDLE[@TARGET][+step_cache=N]" in caught.value.remedy


@pytest.mark.parametrize(
    ("asked", "titles"),
    [
        (["demo"], ["ort-cpu, float32"]),
        (["demo", "demo+step_cache=2"], ["ort-cpu, float32", "ort-cpu, float32, step cache 2"]),
        (["demo", "demo-b"], ["ort-cpu (demo), float32", "ort-cpu (demo-b), float32"]),
        (["demo", "demo-b+step_cache=2"], ["ort-cpu (demo), float32", "ort-cpu (demo-b), float32, step cache 2"]),
        (["demo", "demo@ort-cpu"], ["ort-cpu (demo@auto), float32", "ort-cpu (demo@ort-cpu), float32"]),
    ],
)
def test_titles_name_the_target_and_what_else_tells_sides_apart(asked: Sequence[str], titles: Sequence[str]) -> None:
    found = our_contenders([read_our_side(text) for text in asked])
    assert [one.title for one in found] == [f"LatentLink {title}" for title in titles]
    assert {one.denoiser for one in found} == {"ort-cpu"}


@pytest.mark.parametrize(
    ("asked", "kind", "message"),
    [
        (["demo", "demo@auto"], UsageError, "demo on target auto is given twice"),
        (["demo-tiny"], UsageError, "demo-tiny has no denoiser; expected a bundle that draws pictures"),
        (["no-such-bundle"], UsageError, "'no-such-bundle' does not exist; expected the folder of a bundle"),
        (["demo@openvino-cpu"], PreflightError, "demo has no openvino-cpu engine"),
    ],
)
def test_a_side_that_cannot_be_measured_is_refused_before_any_is(
    asked: Sequence[str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        our_contenders([read_our_side(text) for text in asked])


def test_the_command_refuses_a_side_of_ours_that_cannot_be_read() -> None:
    asked = ["bench", "demo", "--also", "demo@abacus", "--against", "diffusers"]
    done = CliRunner().invoke(group, [*asked, "--checkpoint", str(checkpoint("demo"))])
    assert isinstance(done.exception, UsageError)
    assert "Unknown --target 'abacus'" in str(done.exception)
