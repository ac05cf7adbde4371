"""`generate --like` and `inspect` of pictures, on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from latentlink.cli import group
from latentlink.cli.shared.again import fitted
from latentlink.errors import LatentLinkError
from latentlink.runtime.picture_files import PictureFile
from tests.runtime.picture_files.samples import record

PROMPT = "a red circle on a blue background"
FAST = ("--steps", "4", "--guard", "off")


def run(*words: object) -> str:
    done = CliRunner().invoke(group, [*map(str, words)])
    assert done.exception is None, done.exception
    return done.output


def refused(*words: object) -> str:
    done = CliRunner().invoke(group, [*map(str, words)])
    assert isinstance(done.exception, LatentLinkError), done.output
    assert done.exception.status == 2
    return str(done.exception)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    run("generate", "demo", PROMPT, "-o", tmp_path / "x.png", "--seed", "7", "--sampler", "DPM++ 2M Karras", *FAST)
    return tmp_path / "x.png"


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp"])
def test_each_of_four_pictures_is_made_again_alone_and_equal(tmp_path: Path, name: str) -> None:
    said = run("generate", "demo", PROMPT, "-o", tmp_path / name, "--num-images", "4", "--seed", "-1", *FAST)
    assert ": seeds " in said
    again = (tmp_path / name).with_stem("again")
    for number in range(1, 5):
        original = (tmp_path / name).with_stem(f"x-{number}")
        said = run("generate", "demo", "--like", original, "-o", again, "--guard", "off")
        assert again.read_bytes() == original.read_bytes()
        assert len(said.splitlines()) == 1, "there is nothing to tell of an equal picture"


def test_the_command_line_takes_precedence(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "y.png"
    words = ("generate", "demo", "a green star", "--like", made, "-o", out, "--seed", "8", "--json", "--guard", "off")
    report = json.loads(run(*words))
    (request,) = report["requests"]
    assert request["prompt"] == "a green star"
    assert (report["seed"], report["sampler"], report["sigmas"], report["steps"]) == (8, "dpmpp_2m", "karras", 4)
    assert report["notes"] == []


def test_the_result_names_what_a_reader_needs(made: Path, tmp_path: Path) -> None:
    said = run("generate", "demo", "--like", made, "-o", tmp_path / "y.png", "--guard", "off")
    assert "y.png: seed 7, dpmpp_2m karras, 4 steps, guidance 7.5, 64x64, " in said
    shown = run("inspect", made)
    assert f"prompt: {PROMPT}\n" in shown
    assert "seed 7, sampler dpmpp_2m, sigmas karras, steps 4, guidance 7.5, width 64, height 64" in shown
    assert "model demo (sd1), manifest " in shown
    found = json.loads(run("inspect", made, "--json"))
    report = json.loads(run("generate", "demo", "--like", made, "-o", tmp_path / "y.png", "--json", "--guard", "off"))
    assert report["requests"] == [found["record"]]
    assert found["parameters"]["settings"]["Schedule type"] == "Karras"
    assert found["text"].startswith(PROMPT)


def test_several_pictures_name_every_seed(tmp_path: Path) -> None:
    words = ("generate", "demo", PROMPT, "-o", tmp_path / "x.png", "--num-images", "3", "--seed", "5", *FAST)
    assert "seeds 5 to 7" in run(*words)
    report = json.loads(run(*words, "--json"))
    assert report["seeds"] == [5, 6, 7]
    assert [one["options"]["seed"] for one in report["requests"]] == [5, 6, 7]


def test_a_picture_of_a_batch_seed_is_made_again_with_all_of_them(tmp_path: Path) -> None:
    words = (PROMPT, "a green star", "--batch-seed", "--seed", "3", *FAST)
    run("generate", "demo", *words, "-o", tmp_path / "x.png")
    said = run("generate", "demo", "--like", tmp_path / "x-2.png", "-o", tmp_path / "y.png", "--guard", "off")
    assert "It is picture 2 of 2 whose noise was drawn from one seed (--batch-seed), so all of them were made" in said
    for number in (1, 2):
        assert (tmp_path / f"x-{number}.png").read_bytes() == (tmp_path / f"y-{number}.png").read_bytes()


def test_another_model_goes_on_with_a_sentence(made: Path, tmp_path: Path) -> None:
    said = run("generate", "demo-b", "--like", made, "-o", tmp_path / "y.png", "--guard", "off")
    assert said.count("It was made by demo (manifest ") == 1
    assert (tmp_path / "y.png").exists()


def test_what_only_the_own_model_has_is_left_out_for_another_one(tmp_path: Path) -> None:
    made = record(step_cache=2, conditions={"size": [1.0], "score": [2.0], "negative_score": [3.0]})
    file = PictureFile(path=tmp_path / "x.png", format="PNG", size=(64, 64), record=made, text=None)
    given: dict[str, Any] = {**made.options, "steps": 9}

    def pipe(manifest: str | None, *components: str) -> Any:
        origin = replace(made.origin, manifest=manifest, engines=dict.fromkeys(components, ("ort-cpu", "float32")))
        return SimpleNamespace(origin=origin, sampling=SimpleNamespace(conditions={"score": ((1.0,), None)}))

    assert fitted(file, pipe(made.origin.manifest), given) == given
    known = {"score": [2.0], "negative_score": [3.0]}
    assert fitted(file, pipe(None), given) == {**given, "step_cache": None, "conditions": known}
    assert fitted(file, pipe(None, "denoiser_shallow"), given) == {**given, "conditions": known}
    assert fitted(file, pipe(None), {**given, "step_cache": 3})["step_cache"] == 3


def test_what_a_picture_started_from_is_given_again(made: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "y.png", tmp_path / "z.png"
    run("generate", "demo", PROMPT, "-o", out, "--init-image", made, "--strength", "0.5", *FAST)
    words = ("generate", "demo", "--like", out, "-o", again, "--guard", "off")
    assert "Give it again: --init-image." in refused(*words)
    assert not again.exists()
    assert "is not the one" not in run(*words, "--init-image", made)
    assert again.read_bytes() == out.read_bytes()
    Image.new("RGB", (64, 64), "red").save(tmp_path / "other.png")
    assert "The image to start from is not the one" in run(*words, "--init-image", tmp_path / "other.png")


def test_a_picture_of_a_chain_is_shown_in_stages_and_made_by_no_generate(tmp_path: Path) -> None:
    out = tmp_path / "x.webp"
    run("chain", PROMPT, "demo,steps=4", "demo-b,strength=0.5,steps=4", "-o", out, "--seed", "7", "--guard", "off")
    shown = run("inspect", out)
    assert "stage 1 of 2:" in shown
    assert shown.index("model demo (") < shown.index("stage 2 of 2:") < shown.index("model demo-b (")
    assert "latentlink chain" in refused("generate", "demo", "--like", out, "-o", tmp_path / "y.png")


def test_a_picture_without_metadata_says_so(tmp_path: Path) -> None:
    out = tmp_path / "x.jpg"
    run("generate", "demo", PROMPT, "-o", out, "--no-metadata", *FAST)
    assert run("inspect", out) == f"{out}: JPEG, 64x64; it does not say how it was made\n"
    assert json.loads(run("inspect", out, "--json"))["record"] is None
    assert "does not say how it was made" in refused("generate", "demo", "--like", out, "-o", tmp_path / "y.png")


def test_what_does_not_fit_into_jpeg_is_told(tmp_path: Path) -> None:
    out = tmp_path / "x.jpg"
    said = run("generate", "demo", "x" * 20_000, "--negative-prompt", "y" * 20_000, "-o", out, *FAST)
    assert "the text of how the picture was made is left out" in said
    assert "text of another program" not in run("inspect", out)


def test_a_picture_of_another_program_is_drawn_with_a_sentence(tmp_path: Path) -> None:
    exif = Image.Exif()
    text = f"{PROMPT}\nSteps: 4, Sampler: DPM++ 2M, Schedule type: SGM Uniform, CFG scale: 5, Seed: 7, Size: 64x64"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    Image.new("RGB", (64, 64)).save(tmp_path / "x.jpg", exif=exif)
    assert "with the text of another program\nprompt: a red circle" in run("inspect", tmp_path / "x.jpg")
    said = run("generate", "demo", "--like", tmp_path / "x.jpg", "-o", tmp_path / "y.png", "--guard", "off")
    assert "seed 7, dpmpp_2m, 4 steps, guidance 5, 64x64" in said
    assert "It was made by another program, whose noise may be another: the picture may differ." in said
    assert "Its schedule type 'SGM Uniform' has no equal here" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-o", "x.png"), "There is no prompt; expected one after the bundle, or --like PICTURE."),
        (("--like", "nowhere.png", "-o", "x.png"), "There is no file 'nowhere.png'; expected a picture."),
        (("a", "--quality", "90", "-o", "x.png"), "--quality is 90, but a PNG file has none"),
        (("a", "--quality", "0", "-o", "x.jpg"), "--quality is 0; expected a whole number from 1 to 100"),
        (("a", "--quality", "90", "--output-latents", "x.safetensors"), "expected -o PICTURE"),
    ],
)
def test_what_cannot_be_made_is_refused_before_the_work(words: tuple[str, ...], says: str) -> None:
    assert says in refused("generate", "demo", *words)


def test_a_quality_makes_a_smaller_file(tmp_path: Path) -> None:
    for quality in (20, 95):
        run("generate", "demo", PROMPT, "-o", tmp_path / f"{quality}.webp", "--quality", quality, "--seed", "7", *FAST)
    assert (tmp_path / "20.webp").stat().st_size < (tmp_path / "95.webp").stat().st_size


def test_latents_take_the_place_of_the_picture_that_it_was_made_from(made: Path, tmp_path: Path) -> None:
    start = ("--init-image", made, "--strength", "0.6")
    run("generate", "demo", PROMPT, "-o", tmp_path / "i.png", "--seed", "8", *start, *FAST)
    assert "Give it again: --init-image" in refused(
        "generate", "demo", "--like", tmp_path / "i.png", "-o", tmp_path / "n.png"
    )
    run("encode", "demo", made, "-o", tmp_path / "l.safetensors")
    like = ("--like", tmp_path / "i.png", "--init-latents", tmp_path / "l.safetensors")
    said = run("generate", "demo", *like, "-o", tmp_path / "n.png", "--guard", "off")
    assert "The image to start from is not the one that it was made from" in said
