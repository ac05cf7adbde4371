"""Sizes of memory as people write them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from latentlink.cli import group
from latentlink.cli.shared.options import parse_size


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("500MB", 500_000_000),
        ("2GB", 2_000_000_000),
        ("2GiB", 2 * 1024**3),
        ("1.5 gb", 1_500_000_000),
        ("64kib", 65_536),
        ("4096", 4096),
        ("10B", 10),
    ],
)
def test_a_size_is_read(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "2 gigs", "0MB", "1e9", "2GB2", "0.1B"])
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as 500MB, 2GB or 2GiB"):
        parse_size(text)


@pytest.mark.parametrize("command", [["generate", "demo", "a", "-o", "a.png"], ["transfer", "a", "--from", "demo"]])
def test_the_commands_refuse_it_too(command: list[str]) -> None:
    done = CliRunner().invoke(group, [*command, "--vae-memory", "much"])
    assert done.exit_code == 2
    assert "is not a size of memory" in done.output
