"""The face of the package: its names are listed once, shown by `help`, and imported when they are first used."""

from __future__ import annotations

import inspect
import json
import pydoc
import re
import rlcompleter
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import latentlink
from latentlink import errors

SCREEN = 62
"""Most lines of `help(latentlink)`."""

NAMES = [name for name in dir(latentlink) if not name.startswith("__")]


def run(program: str) -> Any:
    """What a program prints as JSON, in a process of its own in which every warning is an error."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def of_errors() -> Iterator[str]:
    for name, value in vars(errors).items():
        if inspect.isclass(value) and value.__module__ == errors.__name__:
            yield name


def test_the_names_that_users_need_are_there() -> None:
    wanted = {"load", "Pipeline", "Result", "Latents", "Stage", "chain", "transfer", "Progress", "OnStep", "Request"}
    wanted |= {"Decision", "Proof", "Admission", "Skipped", "ChainResult", "Hop", "TransferResult", "Mended"}
    wanted |= {"LatentSpace", "Port", "TextEmbedding", "KNOWN_SPACES", "ExitStatus", *of_errors()}
    assert wanted <= {*NAMES}
    assert re.fullmatch(r"\d+\.\d+\.\d+", latentlink.__version__)


def test_dir_lists_the_names_and_no_more_without_importing_the_runtime() -> None:
    program = "import json, sys, latentlink\nprint(json.dumps([dir(latentlink), [*sys.modules]]))"
    listed, modules = run(program)
    assert [name for name in listed if not name.startswith("__")] == NAMES
    assert {name for name in listed if name.startswith("__")} <= {*vars(json), "__version__"}
    assert [name for name in modules if name.startswith("latentlink.")] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_there_and_described(name: str) -> None:
    assert getattr(latentlink, name) is getattr(latentlink, name)
    assert re.search(rf"\b{name} +[a-z]", latentlink.__doc__ or ""), "expected a few words after it"


def test_the_tab_key_completes_the_names() -> None:
    complete = rlcompleter.Completer({"latentlink": latentlink}).complete
    found = [complete("latentlink.Lat", number) for number in range(4)]
    assert [one and one.strip("()") for one in found] == [
        "latentlink.LatentLinkError",
        "latentlink.LatentSpace",
        "latentlink.Latents",
        None,
    ]


def test_help_fits_a_screen() -> None:
    lines = pydoc.render_doc(latentlink, renderer=pydoc.plaintext).splitlines()  # type: ignore[attr-defined]
    assert len(lines) <= SCREEN
    assert max(map(len, lines)) <= 100
    assert not any(line.startswith(("CLASSES", "FUNCTIONS")) for line in lines)


def test_modules_of_the_vocabulary_are_there_without_an_import_of_their_own() -> None:
    program = "import json, latentlink\nprint(json.dumps([latentlink.errors.__name__, latentlink.options.__name__]))"
    assert run(program) == ["latentlink.errors", "latentlink.options"]


def test_a_star_imports_all_names() -> None:
    program = (
        "import json, latentlink\nnames = {}\nexec('from latentlink import *', names)\nprint(json.dumps([*names]))"
    )
    assert {*NAMES} <= {*run(program)}


def test_a_name_that_does_not_exist_is_an_error_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"module 'latentlink' has no attribute 'Nonsense'\.$"):
        latentlink.Nonsense  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'Pipline'\. Did you mean 'Pipeline'\?"):
        latentlink.Pipline  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(ImportError):
        from latentlink import Pipline  # type: ignore[attr-defined] # noqa: F401


def test_a_program_without_docstrings_works() -> None:
    done = subprocess.run(
        [sys.executable, "-OO", "-c", "import latentlink; print(latentlink.load.__name__, latentlink.__doc__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "load None\n"


def test_a_generation_warns_of_nothing() -> None:
    program = (
        "import json, latentlink\n"
        "with latentlink.load('demo') as pipe:\n"
        "    made = pipe.generate('a red circle on a blue background', seed=7, steps=4)\n"
        "    again = pipe.generate('a circle', init_image=made.images[0], strength=0.6, steps=4)\n"
        "    moved = latentlink.transfer(again.latents, source=pipe, destination=pipe)\n"
        "print(json.dumps(moved.latents.array.shape))\n"
    )
    assert run(program) == [1, 4, 8, 8]
