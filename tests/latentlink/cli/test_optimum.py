"""`optimum-cli export latentlink`, run as Optimum runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from latentlink.cli.commands.export import command
from latentlink.engine.bundle import Bundle

MAIN = "from optimum.commands.optimum_cli import main; main()"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`optimum-cli` itself is this line, in a script beside python."""
    command_line = [sys.executable, "-c", MAIN, "export", "latentlink", *map(str, arguments)]
    return subprocess.run(command_line, capture_output=True, text=True, check=False)


def test_the_command_exports_what_latentlink_export_exports(tiny: Path, tiny_export: Path, tmp_path: Path) -> None:
    options = ("--family", "vae", "--task", "text-to-image", "--space", "tiny", "--json", "--without", "vae_encoder")
    done = run(tiny / "vae", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["family"] == "vae"
    ours, direct = (Bundle.open(path).manifest for path in (tmp_path / "out", tiny_export))
    assert {*ours.components} == {"vae_decoder"}
    assert ours.components["vae_decoder"].inputs == direct.components["vae_decoder"].inputs
    assert ours.spaces == direct.spaces


def test_it_has_every_option_of_latentlink_export() -> None:
    shown = run("--help").stdout
    for parameter in command.params:
        assert all(option in shown for option in parameter.opts if option.startswith("--")), parameter.name
    assert "--task" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "out"), "optimum-cli: There is no checkpoint at 'nowhere'"),
        (("MODEL", "out", "--dtype", "int8"), "invalid choice"),
        (("MODEL", "out", "--family", "sd9"), "Unknown family 'sd9'"),
    ],
)
def test_a_refusal_is_one_message_and_the_exit_status_of_usage(
    tiny: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run(*(str({"MODEL": tiny, "out": tmp_path / "out"}.get(argument, argument)) for argument in arguments))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
