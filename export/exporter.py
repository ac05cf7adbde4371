"""Checkpoint to export: every component traced, compared with torch, and written with its manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

import latentlink
from latentlink.bundle_names import new_bundle_path
from latentlink.checks import callbacks, instance, path_of
from latentlink.engine.bundle import (
    ComponentEntry,
    Manifest,
    Sampling,
    check_outside,
    replacing_bundle,
    write_bundle,
    write_probes,
)
from latentlink.errors import BundleError, CheckpointError, UsageError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.component_export import ExportedComponent, export_component
from latentlink.export.graphs import Component, plain_graph
from latentlink.export.known_latents import refuse_another_decoder, refuse_another_space
from latentlink.export.parity import TORCH, ReferenceRun
from latentlink.export.parts import VaeDecoder, VaeEncoder, replaced_scheduler_note
from latentlink.export.probes import Golden
from latentlink.export.recipes import Recipe, find_recipe
from latentlink.export.rounding import rounding_threshold
from latentlink.processors import processors
from latentlink.spaces import LatentSpace, TextEmbedding

# Two cases to compare, the first of which is also traced with: its free dimensions are above 1 and all different, so
# that the exporter ties none of them.
CASES: tuple[Mapping[str, int], ...] = ({"B": 2, "N": 4, "S": 77, "L": 12}, {"B": 1, "N": 1, "S": 154, "L": 5})


def export_checkpoint(
    checkpoint: str | Path,
    out: str | Path,
    *,
    family: str = "auto",
    options: ExportOptions | None = None,
    on_component: Callable[[int, int, str], None] | None = None,
    on_done: Callable[[ExportedComponent], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Manifest:
    """Export a checkpoint to typed ONNX components.

    Args:
        checkpoint: A diffusers directory, a single `.safetensors` file, an id `org/name` of the Hub, or a directory of
            ONNX graphs in Optimum's layout.
        out: Directory to make, not text that is one of the `SHIPPED` names; an earlier export there is replaced once
            the new one is complete.
        family: Name of a recipe, or `auto`.
        options: Compute and interface dtypes, latent space, and what else the user asks for.
        on_component: Called with (number, count, name) before each component.
        on_done: Called after each component.
        on_note: Called with each way in which the checkpoint is not read as its configs say; provenance has them too.

    Raises:
        CheckpointError: The checkpoint cannot be exported, or a component does not agree with torch.
        UsageError: An argument is not of its type, or `out` holds something else.
    """
    options = ExportOptions() if options is None else options
    instance("options", options, ExportOptions)
    instance("family", family, str)
    path_of("checkpoint", checkpoint)
    callbacks(on_component=on_component, on_done=on_done, on_note=on_note)
    out = new_bundle_path(out)
    check_outside(out)
    torch.set_num_threads(min(torch.get_num_threads(), processors()))  # torch does not see a container's quota
    source = Checkpoint.open(checkpoint, options)
    label, recipe = find_recipe(source, family)
    recipe.check(source, options)
    _check_arguments(recipe, source, options, out)
    sampling = read_sampling(recipe.sampling(source))
    reasons = {f"config.{name}": note for name, note in recipe.notes(source).items()}
    reasons |= _sampler_reason(source, sampling)
    reasons |= {f"part.{part}": origin for part, origin in source.origins().items()}
    for note in reasons.values():
        if on_note:
            on_note(note)
    _check_parts(recipe, source, options)
    with replacing_bundle(out) as folder:
        entries: dict[str, ComponentEntry] = {}
        # as dictionaries, for each value once and in order
        spaces: dict[LatentSpace, None] = {}
        embeddings: dict[TextEmbedding, None] = {}
        probes: dict[str, str] = {}
        golden = Golden(sampling)
        components = recipe.components(source, options)
        names = recipe.present(source, options)
        probed_names = recipe.probed(source, options)
        for name in (name for name in recipe.names if name in probed_names):
            if on_component and name in names:
                on_component(names.index(name), len(names), name)
            component = next(component for component in components if component.name == name)
            # before any is written, as converting weights that two of them share cannot be undone
            parts = [
                (part, golden.probes(part, _reference(part)), _cases(part, sampling.size_multiple))
                for part in (component, component.shallow)
                if part is not None
            ]
            limits = {
                part.name: rounding_threshold(part, part_probes)
                for part, part_probes, _ in parts
                if name in names and _has_float32(part, options)
            }
            for part, part_probes, cases in parts:
                probes[part.name] = f"probes/{part.name}.safetensors"
                (folder / probes[part.name]).parent.mkdir(exist_ok=True)
                write_probes(folder / probes[part.name], part_probes)
                if name not in names:
                    continue
                entries[part.name], parity = export_component(
                    part, part_probes, cases, folder, options, limits.get(part.name)
                )
                if on_done:
                    on_done(ExportedComponent(name=part.name, parity=parity))
            if component.overflows and options.dtype == "float16":
                reasons[f"precision.{name}"] = f"float32: {component.overflows}"
            spaces |= dict.fromkeys(component.spaces)
            embeddings |= dict.fromkeys(component.embeddings)
            del component, part, parts
        return write_bundle(
            folder,
            Manifest(
                kind="export",
                name=source.label,
                family=label,
                spaces=tuple(spaces),
                embeddings=tuple(embeddings),
                components=entries,
                probes=probes,
                sampling=sampling,
                provenance={
                    "checkpoint": source.name if source.commit is None else f"{source.name}@{source.commit}",
                    "latentlink": latentlink.__version__,
                    "torch": torch.__version__,
                    "interface_dtype": options.io_dtype,
                    **reasons,
                },
            ),
        )


def _check_arguments(recipe: Recipe, source: Checkpoint, options: ExportOptions, out: Path) -> None:
    """Refuse an export into its own checkpoint, and a tokenizer for an encoder that the family does not have.

    Raises:
        UsageError: There is such an argument.
    """
    if source.root.is_dir() and source.root in out.resolve().parents:
        raise UsageError(
            f"{str(out)!r} is inside the checkpoint {str(source.root)!r}; expected a folder outside of it.",
            remedy="Write it to another folder.",
        )
    for part in options.parts:
        if part.startswith("tokenizer") and part.replace("tokenizer", "text_encoder") not in recipe.names:
            raise UsageError(f"A {part} was given, but {recipe.title} has none.", remedy="Leave it out.")


def read_sampling(settings: Mapping[str, Any]) -> Sampling:
    """A checkpoint's own settings.

    Raises:
        CheckpointError: A bundle may not have them.
    """
    try:
        return Sampling.from_json(settings)
    except BundleError as error:
        raise CheckpointError(
            f"The checkpoint's configs give settings that no bundle may have. {error.message}",
            remedy="Correct the configs, such as sample_size.",
        ) from None


def _check_parts(recipe: Recipe, source: Checkpoint, options: ExportOptions) -> None:
    """Make every component once, so that what is wrong with the last is said before the first is exported.

    Reading the weights twice takes seconds, and an export minutes.

    Raises:
        CheckpointError: A part cannot be read, or does not fit the others.
    """
    for component in recipe.components(source, options):
        if plain_graph(component.module) is not None:
            continue
        if isinstance(component.module, VaeEncoder):
            refuse_another_space(component.module.core, component.spaces[0])
        elif isinstance(component.module, VaeDecoder):
            refuse_another_decoder(component.module, component.spaces[0])


def _sampler_reason(source: Checkpoint, sampling: Sampling) -> dict[str, str]:
    """Why the default sampler is not the checkpoint's own, where it is not."""
    if "scheduler" not in source.classes:
        return {}
    reason = replaced_scheduler_note(source.config("scheduler"), sampling.sampler)
    return {} if reason is None else {"sampler": reason}


def _has_float32(component: Component, options: ExportOptions) -> bool:
    """Whether a graph of it in float32 is made here, and not imported."""
    float32 = component.computes_in(options.dtype) == "float32" or component.name in options.wide
    return float32 and plain_graph(component.module) is None


def _reference(component: Component) -> str:
    """Name of what computes a component's reference outputs."""
    return TORCH if plain_graph(component.module) is None else "onnx"


def _cases(component: Component, multiple: int) -> list[ReferenceRun]:
    """Inputs of a component and its module's float32 outputs; the first inputs are also traced with."""
    downscale = next((port.size("f") for port in component.inputs + component.outputs if port.kind == "latent"), 1)
    cases: list[ReferenceRun] = []
    for number, (case, sides) in enumerate(zip(CASES, _sides(component.halvings), strict=True)):
        height, width = (side * multiple for side in sides)
        latent = {"h": height // downscale, "w": width // downscale}
        example = component.example({**case, "H": height, "W": width, **latent}, seed=number)
        outputs = component.run(example)
        cases.append(([tensor.numpy() for tensor in example], [tensor.numpy() for tensor in outputs]))
    return cases


def _sides(halvings: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width of the two cases, as numbers of the smallest side.

    In the first, every size that is halved is odd, and the last ones are 2 and 3. In the second one side divides, and
    the other is the smallest.
    """
    whole = 2**halvings
    return (whole + 1, 2 * whole + 1), (whole, 1)
