"""Size of the base environment: a fresh virtual environment, the package, nothing else.

python -m latentlink.bench.cost.footprint PROJECT
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from collections import Counter
from pathlib import Path

import click

from latentlink.terminal.module import command, run_command


def footprint(project: Path) -> tuple[int, Counter[str]]:
    """Install `project` into a new environment without pip.

    Returns:
        Total bytes, and bytes of every top-level entry of site-packages.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "--python", f"{folder}/bin/python", "install", "--no-compile", str(project)], check=True)
        sizes: Counter[str] = Counter()
        for path in Path(folder).rglob("*"):
            if path.is_file() and not path.is_symlink():
                parts = path.relative_to(folder).parts
                sizes[parts[3] if len(parts) > 3 and parts[0] == "lib" else parts[0]] += path.stat().st_size
        return sum(sizes.values()), sizes


@command(__doc__)
@click.argument("project", type=click.Path(path_type=Path, exists=True))
def main(project: Path) -> None:
    """Print the total and the largest entries."""
    total, entries = footprint(project)
    click.echo(f"{total / 1e6:.0f} MB")
    for name, count in entries.most_common(12):
        click.echo(f"  {count / 1e6:7.1f} MB  {name}")


if __name__ == "__main__":
    run_command(main)
