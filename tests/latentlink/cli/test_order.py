"""Arguments in the wrong order, and names that are taken: refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from latentlink.cli import group
from latentlink.errors import UsageError

CHECKPOINT = str(Path(__file__).parents[3] / "demo" / "checkpoints" / "demo")


def refused(*arguments: str) -> str:
    """What a command says as it refuses its arguments."""
    error = CliRunner().invoke(group, arguments).exception
    assert isinstance(error, UsageError), error
    return str(error)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate", "a cat", "demo", "-o", "x.png"], "'demo' is a bundle, and 'a cat' is none; the bundle comes"),
        (["generate", "a cat", "a dog", "demo-b", "-o", "x.png"], "'demo-b' is a bundle, and 'a cat' is none"),
        (["generate", "x" * 5000, "demo", "-o", "x.png"], "'demo' is a bundle"),
        (["generate", "", "demo", "-o", "x.png"], "'demo' is a bundle, and '' is none"),
        (["grid", "a cat", "demo", "-o", "x.png"], "'demo' is a bundle, and 'a cat' is none; the bundle comes"),
        (
            ["chain", "demo", "a cat, please", "-o", "x.png"],
            "'demo' is a bundle, and 'a cat' is none; the prompt comes",
        ),
        (
            ["transfer", "demo", "--from", "a.st", "--to", "demo", "-o", "x.safetensors"],
            "is a bundle; expected a latents",
        ),
        (["export", "out", CHECKPOINT], "is a checkpoint, and 'out' is none; the checkpoint comes"),
    ],
)
def test_swapped_arguments_are_told(arguments: list[str], says: str) -> None:
    assert says in refused(*arguments)


def test_a_prompt_may_be_the_name_of_a_bundle(tmp_path: Path) -> None:
    done = CliRunner().invoke(group, ["generate", "demo", "demo", "-o", str(tmp_path / "x.png"), "--steps", "1"])
    assert not isinstance(done.exception, UsageError), done.exception


def test_an_export_in_the_place_of_the_folder_to_write_is_told(tiny_export: Path, tmp_path: Path) -> None:
    export, prompts = str(tiny_export), tmp_path / "prompts.txt"
    prompts.write_text("a cat")
    assert "is an export, and 'out' is none; the export comes" in refused("build", "out", export)
    quantise = ("--precision", "int8", "--prompts", str(prompts))
    assert "is an export, and 'out' is none; the export to read" in refused("calibrate", "out", export, *quantise)


@pytest.mark.parametrize("name", ["demo", "demo-b", "demo-tiny"])
def test_no_command_makes_a_bundle_under_a_name_that_ships(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["build", "exported", name],
        ["export", CHECKPOINT, name],
        ["calibrate", "exported", name, "--precision", "int8", "--prompts", "prompts.txt"],
    ):
        assert f"{name!r} is the name of a bundle that comes with latentlink" in refused(*arguments)
    assert not (tmp_path / name).exists()


def test_build_and_calibrate_know_the_bundles_that_ship(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a cat")
    assert "'demo' is a bundle already; expected an export" in refused("build", "demo", "out")
    assert "'demo' is a bundle; expected an export" in refused(
        "calibrate", "demo", "out", "--precision", "int8", "--prompts", str(prompts)
    )


@pytest.mark.parametrize("command", ["inspect", "verify", "bench"])
def test_a_misspelt_name_is_told_by_every_command(command: str) -> None:
    assert "Did you mean 'demo'?" in refused(command, "dmeo")
