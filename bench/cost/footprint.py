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


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m latentlink.bench.cost.footprint PROJECT")
    total, entries = footprint(Path(sys.argv[1]))
    sys.stdout.write(f"{total / 1e6:.0f} MB\n")
    for name, count in entries.most_common(12):
        sys.stdout.write(f"  {count / 1e6:7.1f} MB  {name}\n")
