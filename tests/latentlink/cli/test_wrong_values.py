"""Every option of every command, given values that it cannot have: one sentence, status 2, nothing written.

The values follow from the option's type. An option whose text is free is listed with the reason.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from latentlink.cli import COMMANDS, group
from latentlink.cli.shared.options import Number
from latentlink.errors import ExitStatus, LatentLinkError
from latentlink.runtime import bundle_path

VALID = {
    "export": "CHECKPOINT OUT",
    "build": "EXPORT OUT",
    "calibrate": "BUNDLE --prompts PROMPTS",
    "inspect": "demo",
    "verify": "BUNDLE",
    "generate": "demo 'a red circle' -o OUT.png --steps 1",
    "grid": "demo 'a red circle' -o OUT.png --steps 1",
    "transfer": "LATENTS --from demo --to demo-b -o OUT.safetensors",
    "encode": "demo PICTURE -o OUT.safetensors",
    "decode": "demo LATENTS -o OUT.png",
    "chain": "'a red circle' demo,steps=1 -o OUT.png",
    "compat": "demo -o OUT.png --steps 1",
    "bench": "demo --steps 1 --repeats 1",
}
"""By command: the words of a call that works."""

BESIDE = {
    ("calibrate", "observer"): "--precision int8",
    ("calibrate", "judge"): "--step-cache 2",
    ("calibrate", "precision"): "OUT",
    ("generate", "space"): "--init-latents LATENTS",
    ("generate", "mask_image"): "--init-image PICTURE",
    ("generate", "preview_decoder"): "--preview-every 1",
    ("grid", "mask_image"): "--init-image PICTURE",
    ("bench", "against"): "--checkpoint CHECKPOINT",
    ("bench", "also"): "--against diffusers --checkpoint CHECKPOINT",
    ("bench", "checkpoint"): "--against diffusers",
    ("bench", "threads"): "--against diffusers --checkpoint CHECKPOINT",
    ("bench", "plot"): "--against diffusers --checkpoint CHECKPOINT",
    ("bench", "markdown"): "--against diffusers --checkpoint CHECKPOINT",
}
"""What else an option needs before its value is looked at."""

FREE = {
    "prompt": "any text is a prompt",
    "prompts": "any text is a prompt, or a file of them, of which test_inputs.py knows",
    "negative_prompt": "any text is a prompt",
    "pictures": "a folder that is made",
    "cells": "a folder that is made; test_grid.py knows of wrong ones",
    "work": "a folder that is made",
    "timing_cache": "a file that is made; of no use to ort-cpu",
    "space": "export takes the name of a new space",
    "without": "see test_export.py: it needs the checkpoint's recipe",
    "wide": "see test_export.py: it needs the checkpoint's recipe",
}

NUMBERS = ("", "x", "nan", "1e999", "-1", "99999999999999999999999")


def wrong_values(option: click.Option) -> tuple[str, ...]:
    """Values that an option of this type cannot have."""
    if isinstance(option.type, click.Choice):
        return ("", "nonsense", "[/red]")
    if isinstance(option.type, click.Path):
        return ("NOWHERE/deep/x.png", "FOLDER")
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType | Number):
        return tuple(one for one in NUMBERS if option.name != "seed" or one != "-1")
    return ("", "nonsense=[/red]", "\x1b[31m")


def cases() -> Iterator[tuple[str, str, str]]:
    for name in COMMANDS:
        command: click.Command = import_module(f"latentlink.cli.commands.{name}").command
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag and not option.hidden:
                for value in wrong_values(option):
                    yield name, str(option.name), value


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory, tiny_export: Path) -> dict[str, str]:
    """What the words of the calls stand for."""
    folder = tmp_path_factory.mktemp("values")
    (folder / "prompts").write_text("a red circle\n")
    (folder / "folder").mkdir()
    runner = CliRunner()
    made = ("-o", str(folder / "a.png"), "--output-latents", str(folder / "a.safetensors"), "--steps", "4")
    assert runner.invoke(group, ["generate", "demo", "a red circle", *made]).exit_code == 0
    return {
        "CHECKPOINT": str(Path(__file__).parents[3] / "demo/checkpoints/demo-tiny"),
        "EXPORT": str(tiny_export),
        "BUNDLE": str(shutil.copytree(bundle_path("demo"), folder / "bundle")),
        "PROMPTS": str(folder / "prompts"),
        "LATENTS": str(folder / "a.safetensors"),
        "PICTURE": str(folder / "a.png"),
        "FOLDER": str(folder / "folder"),
        "NOWHERE": str(folder / "nowhere"),
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_value_gets_one_sentence_and_status_2(command: str, words: dict[str, str], tmp_path: Path) -> None:
    group_command: click.Command = import_module(f"latentlink.cli.commands.{command}").command
    options = {str(one.name): one for one in group_command.params}
    faults = []
    for _, name, value in (case for case in cases() if case[0] == command and case[1] not in FREE):
        switch = max(options[name].opts, key=len)
        call = [*shlex.split(VALID[command]), *shlex.split(BESIDE.get((command, name), ""))]
        known = words | {"OUT": str(tmp_path / "out")}
        filled = [_filled(word, known) for word in call] + [f"{switch}={_filled(value, known)}"]
        done = CliRunner().invoke(group, [command, *filled])
        if fault := _fault(done.exception, switch, done.exit_code):
            faults.append(f"{switch} {value!r}: {fault}")
        if [*tmp_path.iterdir()]:
            faults.append(f"{switch} {value!r} wrote {[*tmp_path.iterdir()]}")
            break
    assert not faults, "\n".join(faults)


def _filled(word: str, known: dict[str, str]) -> str:
    for name, path in known.items():
        if word == name or word.startswith((f"{name}.", f"{name}/")):
            return path + word.removeprefix(name)
    return word


def _fault(error: BaseException | None, switch: str, code: int) -> str | None:
    """What is wrong with how a call ended; None if nothing is."""
    if isinstance(error, SystemExit):
        return None if code == ExitStatus.USAGE else f"status {code}"  # of click, which names the option
    if not isinstance(error, LatentLinkError):
        return "it was taken" if error is None else f"{type(error).__name__}: {error}"
    if error.status != ExitStatus.USAGE:
        return f"status {int(error.status)}: {error}"
    return f"two lines: {error}" if "\n" in str(error) else None
