"""Environments for sides whose packages conflict with ours, and their prepared models; made once and kept."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from latentlink.bench.against.sides import Side
from latentlink.errors import LatentLinkError
from latentlink.user_cache import user_cache

OnCommand = Callable[[str], object]
"""Called with a description of each command before it runs."""


class SideNotReady(LatentLinkError):
    """A side's environment or model could not be made."""


def default_folder() -> Path:
    """Folder of environments and models: `$XDG_CACHE_HOME/latentlink/bench`."""
    return user_cache() / "bench"


def ensure_python(side: Side, folder: Path, tell: OnCommand) -> str:
    """The python that has a side's packages; its own environment is made if needed and missing.

    Args:
        side: The side.
        folder: Folder of environments.
        tell: Called before every command.

    Raises:
        SideNotReady: A package could not be installed, or its program is missing.
    """
    if not side.requirements:
        program_of(side)
        return sys.executable
    requirements = [_torch() if one == "torch" else one for one in side.requirements]
    home = folder / "environments" / f"{side.packages[0]}-{_digest([*requirements, *side.unwanted, sys.version])}"
    python = home / "bin" / "python"
    done = home / "complete"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        tell(f"making an environment for {side.title}")
        venv.create(home, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(python)]
        tell(f"installing {', '.join(requirements)}")
        _run([*pip, "install", *requirements], f"installing {side.title}")
        if side.unwanted:
            _run([*pip, "uninstall", "--yes", *side.unwanted], f"installing {side.title}")
        done.touch()
    return str(python)


def _torch() -> str:
    """Requirement of the installed torch, so that all sides have the same; any torch if none is installed."""
    try:
        return f"torch=={metadata.version('torch').partition('+')[0]}"
    except metadata.PackageNotFoundError:
        return "torch"


def program_of(side: Side) -> str:
    """The path of a side's program: in PATH, or as `make native` leaves it; empty if it has none.

    Raises:
        SideNotReady: There is no such program.
    """
    if not side.program:
        return ""
    built = Path(__file__).parents[3] / "build" / "native" / side.program
    found = shutil.which(side.program) or (str(built) if built.is_file() else None)
    if found is None:
        raise SideNotReady(f"{side.program} is not in PATH, and not built here: make native.")
    return found


def prepare_model(side: Side, python: str, checkpoint: Path, folder: Path, tell: OnCommand) -> Path | None:
    """The model in a side's format; None if it reads the checkpoint itself.

    Args:
        side: The side.
        python: Python of its environment.
        checkpoint: A diffusers directory.
        folder: Folder of models.
        tell: Called before every command.

    Raises:
        SideNotReady: Its tool failed.
    """
    if not side.prepare:
        return None
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file())
    state = [str(checkpoint.resolve()), *side.requirements]
    state += [f"{path.relative_to(checkpoint)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    out = folder / "models" / f"{side.packages[0]}-{_digest(state)}"
    if not out.is_dir():
        part = out.with_name(f"{out.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        tell(f"preparing the model for {side.title}")
        command = [word.format(model=checkpoint, out=part) for word in side.prepare]
        _run([python, *command], f"preparing the model for {side.title}")
        part.rename(out)
    return out


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _run(command: Sequence[str], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SideNotReady(f"{what} failed: {error}.") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise SideNotReady(f"{what} failed with exit status {done.returncode}: {lines[-1] if lines else 'no output'}")
