"""The frame of commands: what `python -m` runs has help without its extras, checks its arguments and ends in words."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from latentlink.terminal.ending import EXTRAS
from latentlink.terminal.module import NewFolder, OutFile, command, run_command
from tests.house import ROOT, sources

TRIED = """
import contextlib, io, json, runpy, sys, traceback, warnings

warnings.simplefilter("ignore")  # runpy: the module was imported before by another one

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Block())
results = []
for module, words in json.loads(sys.argv[2]):
    out, err, status = io.StringIO(), io.StringIO(), None
    sys.argv = [module, *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code
        except BaseException:
            traceback.print_exc()
    results.append((status, out.getvalue(), err.getvalue()))
print(json.dumps(results))
"""


def _modules() -> list[str]:
    """Every module of bench/ and demo/ that `python -m` runs."""
    found = []
    for path in (*sources("bench"), *sources("demo")):
        if path.name == "__main__.py":
            found.append(".".join(("latentlink", *path.parent.parts)))
        elif '\nif __name__ == "__main__":' in (ROOT / path).read_text(encoding="utf-8"):
            found.append(".".join(("latentlink", *path.with_suffix("").parts)))
    return found


MODULES = _modules()

# Modules that need an extra, with arguments that are right.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "latentlink.demo.train": ("demo", "new"),
    "latentlink.demo.train_tiny": ("new",),
    "latentlink.demo.finetune_decoder": ("new",),
    "latentlink.demo.learning_curves": ("out.png",),
    "latentlink.bench.studies.contact_sheet": ("out.png",),
    "latentlink.bench.studies.wrong_decoder": ("out.png",),
    "latentlink.bench.studies.demo_models": ("out.json",),
    "latentlink.bench.studies.decoders": ("docs",),
    "latentlink.bench.sheets.photographs": ("--weights", "."),
    "latentlink.bench.checkpoints.random_checkpoint": ("tiny-sd1", "new"),
}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, tuple[str, ...]], tuple[int, str, str]]:
    """Status, output and errors of every module, by module and arguments, in a process that has no extra."""
    asked: list[tuple[str, tuple[str, ...]]] = []
    for module in MODULES:
        asked += [(module, ("--help",)), (module, ("--no-such-option",)), (module, ("a", "b", "c", "d", "e", "f"))]
    asked += [*NEEDS.items()]
    folder = tmp_path_factory.mktemp("nothing")
    (folder / "docs").mkdir()
    (folder / "docs" / "compatibility.md").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", TRIED, json.dumps([*EXTRAS]), json.dumps(asked)],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    assert sorted(path.name for path in folder.rglob("*")) == ["compatibility.md", "docs"], "a module wrote something"
    return dict(zip(asked, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("module", MODULES)
def test_help_of_a_module_needs_no_extra_and_starts_nothing(module: str, tried: Any) -> None:
    status, out, err = tried[module, ("--help",)]
    assert (status, err) == (0, "")
    assert out.lower().startswith("usage: ")
    assert f"python -m {module}" in out or module.endswith("against.runner")


@pytest.mark.parametrize("words", [("--no-such-option",), ("a", "b", "c", "d", "e", "f")], ids=["option", "arguments"])
@pytest.mark.parametrize("module", MODULES)
def test_a_wrong_argument_of_a_module_ends_with_2_and_a_sentence(
    module: str, words: tuple[str, ...], tried: Any
) -> None:
    if module.endswith("accuracy") and len(words) > 1:
        pytest.skip("it takes any number of bundles")
    status, out, err = tried[module, words]
    assert (status, out) == (2, "")
    assert "rror: " in err.splitlines()[-1]


@pytest.mark.parametrize("module", NEEDS)
def test_a_module_without_its_extra_says_what_to_install(module: str, tried: Any) -> None:
    status, out, err = tried[module, NEEDS[module]]
    assert (status, out) == (2, "")
    assert err.startswith("latentlink: This command needs ")
    assert "Install it: pip install 'latentlink[" in err
    assert err.count("\n") == 1


def test_every_extra_that_is_named_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {*extras} >= {*EXTRAS.values()}


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (OutFile(), ".", "'.' is a folder"),
        (OutFile(".png"), "out.jpg", "does not end in .png"),
        (OutFile(), "nowhere/out.json", "the folder 'nowhere' of 'nowhere/out.json' does not exist"),
        (NewFolder(), "tests", "'tests' exists"),
    ],
)
def test_a_place_to_write_is_checked_before_the_work_begins(
    kind: click.Path, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    @command("Write.")
    @click.argument("out", type=kind)
    def main(out: Path) -> None:
        raise AssertionError("expected that nothing begins")

    done = CliRunner().invoke(main, [value])
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_bug_ends_in_a_traceback_and_not_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    @command("Fail.")
    def main() -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("sys.argv", ["main"])
    with pytest.raises(KeyError):
        run_command(main)
