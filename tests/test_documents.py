"""Documents name only what is there: files, sections, modules to run, commands and their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from latentlink.cli import COMMANDS, group
from tests.house import FOLDERS, ROOT, sources
from tests.notebook import markdown, read
from tests.pictures import MOST_APART, apart

PAGES = [
    Path("README.md"),
    Path("CONTRIBUTING.md"),
    *sorted(path.relative_to(ROOT) for kind in ("md", "ipynb") for path in ROOT.glob(f"docs/*.{kind}")),
]
SOURCES = [path for folder in (*FOLDERS, "tests") for path in sources(folder)]

TOP = "|".join((*FOLDERS, "docs", "tests"))
FILE = re.compile(rf"(?<![\w./-])(?:{TOP})/[\w./-]*")
PLACEHOLDER = re.compile(r"[A-Z_]+(\.py)?")
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
RUN = re.compile(r"python -m (latentlink[\w.]*\w)")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")

OF_OTHERS = {"--dynamo"}
"""Options of other programs, Optimum's here, that stand alone in a page."""

each_page = pytest.mark.parametrize("page", PAGES, ids=str)


def text_of(path: Path) -> str:
    return markdown(read(ROOT / path)) if path.suffix == ".ipynb" else (ROOT / path).read_text(encoding="utf-8")


def spans(page: Path) -> list[str]:
    """What stands between backticks in the text."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", BLOCK.sub("", text_of(page)))]


def lines(page: Path) -> Iterator[str]:
    """Lines of the code blocks, without the prompt; those that end in a backslash joined with the next."""
    for block in BLOCK.findall(text_of(page)):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.removeprefix("$ ").strip()


def calls(page: Path) -> Iterator[tuple[str, str]]:
    """Commands of `latentlink` with all that follows them, from the code blocks and from the text."""
    for line in (*lines(page), *spans(page)):
        words = line.split(" # ")[0].removeprefix("latentlink ").split(maxsplit=1)
        if line.startswith("latentlink ") or (len(words) == 2 and words[0] in COMMANDS and "--" in line):
            yield words[0], words[1] if len(words) == 2 else ""


@cache
def options_of(command: str) -> set[str]:
    found = group.get_command(click.Context(group), command)
    assert found is not None
    return {"--help", *(name for option in found.params for name in (*option.opts, *option.secondary_opts))}


@cache
def every_option() -> set[str]:
    """Options of the commands, and of what is run by `python -m` or pytest, which source code has in quotes."""
    quoted = (re.findall(r'"(--[a-z][\w-]*)[="]', text_of(path)) for path in SOURCES)
    return OF_OTHERS.union(*map(options_of, COMMANDS), *quoted)


def anchor(heading: str) -> str:
    """The name by which GitHub links to a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def module_exists(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def tree_of_the_readme() -> set[str]:
    """Folders of the tree in the section `The house`, whose depth is their indentation."""
    block = BLOCK.search(text_of(Path("README.md")).partition("## The house")[2])
    assert block
    found: list[str] = []
    parents: list[str] = []
    for indentation, name in re.findall(r"^( *)(\w+)/ ", block[1], re.MULTILINE):
        parents = [*parents[: len(indentation) // 2], name]
        found.append("/".join(parents))
    return {*found}


@each_page
def test_a_file_that_a_page_names_is_there(page: Path) -> None:
    for name in FILE.findall(text_of(page)):
        parts = name.rstrip(".").split("/")
        known = next((number for number, part in enumerate(parts) if PLACEHOLDER.fullmatch(part)), len(parts))
        assert (ROOT / "/".join(parts[:known])).exists(), f"{page} names {name}"
    names = {path.name for path in SOURCES}
    for span in spans(page):
        if re.fullmatch(r"\w+\.py", span) and not PLACEHOLDER.fullmatch(span):
            assert span in names, f"{page} names {span}"


@each_page
def test_a_link_leads_to_a_file_and_a_section(page: Path) -> None:
    for target, section in LINK.findall(text_of(page)):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        if section:
            headings = re.findall(r"^#+ (.*)", BLOCK.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
            assert section in {anchor(heading) for heading in headings}, f"{page} links to {target}#{section}"


def test_a_module_that_pages_or_docstrings_tell_to_run_is_there() -> None:
    for path in (*PAGES, Path("CHANGELOG.md"), Path("Makefile"), *SOURCES):
        for name in RUN.findall(text_of(path)):
            assert module_exists(name), f"{path} names {name}"


def test_a_page_that_source_code_names_is_there() -> None:
    for path in SOURCES:
        for name in re.findall(r"docs/[\w-]+\.md", text_of(path)):
            assert (ROOT / name).is_file(), f"{path} names {name}"


@each_page
def test_commands_and_their_options_are_there(page: Path) -> None:
    for command, rest in calls(page):
        assert command in COMMANDS, f"{page} names latentlink {command}"
        for option in OPTION.findall(rest):
            assert option in options_of(command), f"{page} names {option} of latentlink {command}"


@each_page
def test_an_option_that_stands_alone_is_one_of_some_command(page: Path) -> None:
    for span in spans(page):
        if span.startswith("--"):
            for option in OPTION.findall(span):
                assert option in every_option(), f"{page} names {option}"


@pytest.mark.parametrize("picture", ["grid-samplers", "grid-models", "grid-guidance"])
def test_a_command_of_the_gallery_draws_the_picture_above_it(picture: str, tmp_path: Path) -> None:
    shown, page = f"docs/pictures/{picture}.png", Path("docs/gallery.md")
    call = next(line for line in lines(page) if shown in line)
    words = [str(tmp_path / "made.png") if word == shown else word for word in shlex.split(call)[1:]]
    done = CliRunner().invoke(group, words)
    assert done.exception is None, done.output
    assert apart(Image.open(ROOT / shown), Image.open(tmp_path / "made.png")) < MOST_APART
    assert LINK.findall(text_of(page).partition(f"-o {shown}")[0])[-1][0] == f"pictures/{picture}.png"
    assert (ROOT / shown).stat().st_size < 200_000


def test_every_picture_of_the_gallery_has_its_command() -> None:
    shown = [target for target, _ in LINK.findall(text_of(Path("docs/gallery.md"))) if target.endswith(".png")]
    assert len(shown) == len([line for line in lines(Path("docs/gallery.md")) if line.startswith("latentlink grid")])


def test_the_readme_shows_every_room() -> None:
    rooms = {str(path.parent) for folder in FOLDERS for path in sources(folder) if path.name == "__init__.py"}
    assert tree_of_the_readme() == rooms | {"tests", "docs", "examples", "runtime/native"}
