"""Inputs of `bench.gpu`: checkpoints, exports and bundles, each made once, by the commands that users type."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from latentlink.bench.checkpoints import make_checkpoint
from latentlink.bench.gpu.findings import SizedModel
from latentlink.bundle_names import SHIPPED
from latentlink.errors import ExitStatus, LatentLinkError, PreflightError


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A folder of checkpoints, exports and bundles. Existing ones are reused.

    Args:
        folder: Folder; made if it does not exist.
        keep: Whether to keep large bundles after measuring.
    """

    folder: Path
    keep: bool = False

    def checkpoint(self, model: str) -> Path:
        """Checkpoint of a demo model, or one of `bench.checkpoints.CHECKPOINTS` with random weights in float16."""
        if model in SHIPPED:
            return Path(str(resources.files("latentlink.demo"))) / "checkpoints" / model
        out = self.folder / "checkpoints" / model
        if not (out / "model_index.json").exists():  # which is written last
            shutil.rmtree(out, ignore_errors=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            make_checkpoint(model, out, dtype="float16")
        return out

    def export(self, model: str) -> Path:
        """Export of a demo model in float32, or of another model in float16.

        Raises:
            LatentLinkError: The command failed.
        """
        out = self.folder / "exports" / model
        dtype = "float32" if model in SHIPPED else "float16"
        return _run_once(out, lambda: ["export", str(self.checkpoint(model)), str(out), "--dtype", dtype])

    def bundle(
        self, model: str, target: str, precision: str, *, refit: bool = False, options: Sequence[str] = ()
    ) -> Path:
        """Bundle of a demo model, for its own size.

        Args:
            model: One of `SHIPPED`.
            target: Target to build for.
            precision: `fp32` or `fp16`.
            refit: Whether its weights can be replaced.
            options: Further options of `latentlink build`.

        Raises:
            PreflightError: The target cannot be built here.
            LatentLinkError: The command failed.
        """
        more = [*(["--refit"] if refit else []), *options]
        out = self.folder / "bundles" / "-".join([model, target, precision, *(word.lstrip("-") for word in more)])
        return _run_once(
            out,
            lambda: ["build", str(self.export(model)), str(out), "--target", target, "--precision", precision, *more],
        )

    def bundle_of(self, work: SizedModel, target: str) -> Path:
        """Bundle for one size and batch only, in fp16.

        Raises:
            PreflightError: The target cannot be built here.
            LatentLinkError: The command failed.
        """
        out = self.folder / "bundles" / f"{work.model}-{work.width}x{work.height}-{work.batch}-{target}"
        sizes = ["--width", str(work.width), "--height", str(work.height), "--batch", str(work.batch)]
        return _run_once(out, lambda: ["build", str(self.export(work.model)), str(out), "--target", target, *sizes])

    def drop(self, bundle: Path) -> None:
        """Delete a bundle, unless bundles are kept."""
        if not self.keep:
            shutil.rmtree(bundle, ignore_errors=True)


def _run_once(out: Path, words: Callable[[], Sequence[str]]) -> Path:
    """Run a `latentlink` command that makes `out`, unless it exists; the commands write all or nothing.

    `words` makes what the command reads, which a machine that was given `out` need not be able to.
    """
    if (out / "manifest.json").exists():
        return out
    arguments = words()
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "latentlink", *arguments]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        last = " ".join(done.stderr.strip().splitlines()[-3:]) or "no output"
        kind = PreflightError if done.returncode == ExitStatus.ENGINE_NOT_VALID_HERE else LatentLinkError
        raise kind(f"latentlink {' '.join(arguments)} ended with {done.returncode}: {last}")
    return out
