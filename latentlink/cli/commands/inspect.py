"""`latentlink inspect`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentlink.amounts import bytes_in_words
from latentlink.bundle_names import bundle_path, no_bundle
from latentlink.cli.shared.console import print_measured
from latentlink.cli.shared.made import ENDINGS, show_picture
from latentlink.cli.shared.options import named_space
from latentlink.errors import PreflightError, UsageError
from latentlink.terminal.printing import say, say_json, say_table

if TYPE_CHECKING:
    from latentlink.engine.bundle import Bundle, EngineEntry
    from latentlink.ports import Port


@click.command(
    epilog="""\b
Examples:
  latentlink inspect demo
  latentlink inspect out.png                # prompt, seed, settings, model; also of other programs' pictures
  latentlink inspect out.safetensors --json
  latentlink inspect bundle/engines/denoiser/ort-cpu/model.onnx
  latentlink inspect bundle/engines/denoiser/tensorrt-rtx/model.plan    # on a machine that can open it
"""
)
@click.argument("what")
@click.option(
    "--space",
    metavar="NAME",
    help="Latent space of a latents file that does not record it: sd, sdxl, ..., or a bundle of that space.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(what: str, space: str | None, as_json: bool) -> None:
    """Show what WHAT is: a bundle, an export, an engine file, a latents file, or a picture and how it was made."""
    path = bundle_path(what)
    if space is not None and path.suffix != ".safetensors":
        raise UsageError(f"--space names the space of a latents file, but {what!r} is none.", remedy="Leave it out.")
    if path.is_dir():
        from latentlink.engine.bundle import Bundle

        bundle = Bundle.open(path)
        say_json(bundle.manifest.to_json()) if as_json else _show_bundle(what, bundle)
    elif path.suffix == ".safetensors":
        _show_latents(path, space, as_json)
    elif path.suffix in (".onnx", ".plan", ".xml"):
        _show_engine(path, as_json)
    elif path.suffix.lower() in ENDINGS:
        show_picture(path, as_json=as_json)
    elif not path.exists():
        raise no_bundle(path)
    else:
        raise UsageError(
            f"{what!r} is not a bundle's directory, an engine (.onnx, .plan, .xml), a latents file (.safetensors) or a "
            "picture (.png, .jpg, .webp)."
        )


def _show_bundle(name: str, bundle: Bundle) -> None:
    from latentlink.engine.bundle import EXPORTED
    from latentlink.engine.quality import Quality
    from latentlink.engine.targets import preflight

    manifest = bundle.manifest
    total = bytes_in_words(sum(file.size for file in manifest.files.values()))
    say(f"{name}: {manifest.kind} of {manifest.name} ({manifest.family}), {total}")
    for space in manifest.spaces:
        say(f"latent space {space.name}: {space.numbers()}, digest {space.digest}")
    sampling = manifest.sampling
    if "denoiser" in manifest.components:
        say(
            f"defaults: {sampling.sampler}, {sampling.steps} steps, guidance {sampling.guidance:g}, "
            f"{sampling.width}x{sampling.height}, sides in multiples of {sampling.size_multiple}"
        )
    for name, (numbers, negative) in sampling.conditions.items():
        others = "" if negative is None else f", {_numbers(negative)} for the negative prompt"
        say(f"condition {name}: {_numbers(numbers)} by default{others}")
    for key, reason in manifest.provenance.items():
        if key.startswith("precision."):
            say(f"{key.removeprefix('precision.')} in {reason}")
        elif key.startswith("left_out."):
            say(f"left out, {key.removeprefix('left_out.')}: {reason}")
    rows = []
    for component, entry in manifest.components.items():
        for engine in entry.engines:
            folder = Path(engine.path).parent
            held = bytes_in_words(sum(f.size for p, f in manifest.files.items() if Path(p).parent == folder))
            parity = f"{float(engine.parity['relative']):.1e}" if engine.parity else "not run"
            finding = None if engine.target == EXPORTED else preflight(engine)
            here = "to be built" if engine.target == EXPORTED else "valid" if finding is None else finding.code
            rows.append((component, engine.target, engine.precision, held, parity, here, _limits(engine)))
    say_table(("component", "target", "precision", "size", "from torch", "here", "built for"), rows)
    print_measured(manifest)
    for component, entry in manifest.components.items():
        for engine in entry.engines:
            if (quality := Quality.of_parity(engine.parity)) is not None:
                say(
                    f"{component} in {engine.precision} beside float32, at equal seeds: {quality.summary()}",
                )
    if (cache := sampling.step_cache) is not None:
        how = "refused, as it is below the gate" if cache.quality.shortfall_summary() else "off by default"
        how = "on by default, as nobody would see it" if cache.quality.visually_lossless else how
        say(
            f"step cache {cache.every} in {cache.steps} steps, {how}; beside none, at equal seeds: "
            f"{cache.quality.summary()}",
        )
    for component, entry in manifest.components.items():
        for arrow, ports in (("reads ", entry.inputs), ("writes", entry.outputs)):
            for port in ports:
                say(f"{component} {arrow} {port.tensor} {_shape(port)}")


def _limits(engine: EngineEntry) -> str:
    """Size limits as `B 1:1:4, h 64, w 64`; empty if every size is free."""
    return ", ".join(
        f"{dim} {low}" if low == high else f"{dim} {low}:{best}:{high}"
        for dim, (low, best, high) in engine.limits.items()
    )


def _numbers(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _shape(port: Port) -> str:
    return "(" + ", ".join(str(dim) for dim in port.shape) + ")"


def _show_latents(path: Path, name: str | None, as_json: bool) -> None:
    from latentlink.runtime import Latents

    bundles = [name] if name is not None and bundle_path(name).is_dir() else []
    latents = Latents.load(path, space=named_space(name, bundles))
    record: dict[str, Any] = {
        "symbol": latents.symbol,
        "shape": list(latents.array.shape),
        "space": latents.space.to_json(),
        "level": latents.level,
        "mean": round(float(latents.array.mean()), 4),
        "std": round(float(latents.array.std()), 4),
    }
    if as_json:
        say_json(record)
        return
    state = "level unknown" if latents.level is None else "finished"
    if latents.half_way and latents.level is not None:
        state = "half way: signal {:.4g}, noise {:.4g}".format(*latents.level)
    say(f"{path}: latents {record['shape']} of space {latents.space.name} ({latents.space.numbers()}), {state}")
    say(f"symbol {latents.symbol}, mean {record['mean']}, std {record['std']}")


def _show_engine(path: Path, as_json: bool) -> None:
    from latentlink.runtime.sessions import open_session

    if not path.is_file():
        raise UsageError(f"There is no file {str(path)!r}; expected an engine (.onnx, .plan, .xml).")
    session = open_session(path, _target(path))
    ports = {
        side: [{"tensor": port.tensor, "shape": list(port.shape)} for port in listed]
        for side, listed in (("inputs", session.inputs), ("outputs", session.outputs))
    }
    session.close()
    if as_json:
        say_json(ports)
        return
    for side, listed in ports.items():
        for port in listed:
            say(f"{side[:-1]} {port['tensor']} {tuple(port['shape'])}")


def _target(path: Path) -> str:
    """The target that opens an engine's file: from the bundle that it is in, or the CPU target that reads its format.

    Raises:
        PreflightError: It is an engine for another machine.
        UsageError: It is a plan outside of a bundle.
        BundleError: The manifest that lists it is damaged.
    """
    from latentlink.engine.bundle import EXPORTED, Bundle
    from latentlink.engine.targets import preflight, target_for_file

    for folder in path.absolute().parents:
        if not _lists(folder, path.absolute()):
            continue
        listed = Bundle.open(folder, check_files=False).manifest.components.values()
        for engine in (engine for entry in listed for engine in entry.engines):
            if folder / engine.path != path.absolute() or engine.target == EXPORTED:
                continue
            if finding := preflight(engine):
                raise PreflightError(
                    f"{str(path)!r} cannot be opened here: {finding.reason()}.",
                    remedy=f"Its ports and sizes as declared: latentlink inspect {folder}",
                )
            return engine.target
    if (target := target_for_file(path.suffix)) is None:
        raise UsageError(
            f"{str(path)!r} is not in a bundle, which would say what built it.", remedy="Inspect it inside its bundle."
        )
    return target


def _lists(folder: Path, path: Path) -> bool:
    """Whether a folder is a bundle, even a damaged one, that lists the file; other programs have manifests too."""
    from latentlink.engine.bundle.manifest import FORMAT, MAX_MANIFEST_BYTES

    try:
        with (folder / "manifest.json").open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES)
    except OSError:
        return False
    listed = f'"{path.relative_to(folder).as_posix()}"'.encode() in text
    return listed and re.search(rb'"format"\s*:\s*"%b"' % FORMAT.encode(), text) is not None
