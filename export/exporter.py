"""Checkpoint to export: every component traced, compared with torch, and written with its manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import latentlink
from latentlink.engine.bundle import (
    ComponentEntry,
    EngineEntry,
    Manifest,
    Probes,
    Sampling,
    TokenizerEntry,
    is_bundle,
    write_bundle,
    write_probes,
)
from latentlink.errors import CheckpointError, UsageError
from latentlink.export.checkpoints.checkpoint import Checkpoint
from latentlink.export.graphs.component import DTYPES, Component
from latentlink.export.graphs.onnx_file import write_onnx
from latentlink.export.graphs.plain import PlainGraph
from latentlink.export.graphs.stand_in import plain_graph
from latentlink.export.options import Options
from latentlink.export.parity import TORCH, Case, Parity, compare
from latentlink.export.parts.schedule import other_sampler
from latentlink.export.probes import Golden
from latentlink.export.recipes import find_recipe
from latentlink.files import replacing_directory
from latentlink.spaces import LatentSpace, TextEmbedding

ONNX = "onnx"
WIDE = "onnx-float32"

TIMESTEPS = 1000
"""Of a training schedule that does not say it, as of every published one."""

# Two sizes to compare at, the first also to trace with: all free dimensions above 1 and different from each
# other there, so that the exporter ties none of them; the smallest case afterwards.
CASES: tuple[Mapping[str, int], ...] = (
    {"B": 2, "N": 4, "S": 77, "L": 12, "rows": 2, "columns": 3},
    {"B": 1, "N": 1, "S": 154, "L": 5, "rows": 1, "columns": 1},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One component that is done, for whoever shows progress.

    Args:
        name: The component.
        parity: How it compares with torch, or None where this machine cannot run its dtype.
    """

    name: str
    parity: Parity | None


def export_checkpoint(
    checkpoint: str | Path,
    out: str | Path,
    *,
    family: str = "auto",
    options: Options | None = None,
    on_component: Callable[[int, int, str], None] | None = None,
    on_done: Callable[[Exported], None] | None = None,
) -> Manifest:
    """Export a checkpoint to typed ONNX components.

    Args:
        checkpoint: A diffusers directory, a single `.safetensors` file, an id `org/name` of the Hub, or a directory of
            ONNX graphs in Optimum's layout.
        out: Directory to make; an earlier export there is replaced when the new one is whole.
        family: Name of a recipe, or `auto`.
        options: What the components compute in and exchange.
        on_component: Called with (number, count, name) before each component.
        on_done: Called after each component.

    Raises:
        CheckpointError: The checkpoint cannot be exported, or a component does not agree with torch.
        UsageError: `out` holds something else.
    """
    options = options or Options()
    if options.dtype not in ("float32", "float16", "bfloat16"):
        raise UsageError(f"Unknown dtype {options.dtype!r}; expected float32, float16 or bfloat16.")
    if options.io_dtype not in ("float32", "float16"):
        raise UsageError(f"Unknown interface dtype {options.io_dtype!r}; expected float32 or float16.")
    source = Checkpoint.open(checkpoint, options)
    label, recipe = find_recipe(source, family)
    recipe.check(source, options)
    sampling = Sampling.from_json(recipe.sampling(source))
    with replacing_directory(Path(out), is_ours=is_bundle) as folder:
        entries: dict[str, ComponentEntry] = {}
        # as dictionaries, for each value once and in order
        spaces: dict[LatentSpace, None] = {}
        embeddings: dict[TextEmbedding, None] = {}
        reasons = _sampler_reason(source, sampling)
        probes: dict[str, str] = {}
        timesteps = sampling.schedule.get("num_train_timesteps")
        golden = Golden(
            multiple=sampling.size_multiple,
            timesteps=timesteps if isinstance(timesteps, int) else TIMESTEPS,
            largest=(sampling.height, sampling.width),
        )
        made = recipe.components(source, options)
        names = recipe.present(source, options)
        probed = recipe.probed(source, options)
        for name in (name for name in recipe.names if name in probed):
            if on_component and name in names:
                on_component(names.index(name), len(names), name)
            component = next(component for component in made if component.name == name)
            # before any is written, as converting weights that two of them share cannot be undone
            parts = [
                (part, golden.probes(part, _reference(part)), _cases(part, sampling.size_multiple))
                for part in (component, component.shallow)
                if part is not None
            ]
            for part, made_of, cases in parts:
                probes[part.name] = f"probes/{part.name}.safetensors"
                (folder / probes[part.name]).parent.mkdir(exist_ok=True)
                write_probes(folder / probes[part.name], made_of)
                if name not in names:
                    continue
                entries[part.name], parity = _write(part, made_of, cases, folder, options)
                if on_done:
                    on_done(Exported(name=part.name, parity=parity))
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


def _sampler_reason(source: Checkpoint, sampling: Sampling) -> dict[str, str]:
    """Why the default sampler is not the checkpoint's own, where it is not."""
    if "scheduler" not in source.classes:
        return {}
    reason = other_sampler(source.config("scheduler"), sampling.sampler)
    return {} if reason is None else {"sampler": reason}


def _reference(component: Component) -> str:
    """What computes a component's reference outputs."""
    return TORCH if plain_graph(component.module) is None else "onnx"


def _cases(component: Component, multiple: int) -> list[Case]:
    """Inputs of a component and what its module makes of them in float32; the first ones are traced with."""
    downscale = next((port.size("f") for port in component.inputs + component.outputs if port.kind == "latent"), 1)
    cases: list[Case] = []
    for number, case in enumerate(CASES):
        example = component.example(_sizes(case, multiple, downscale), seed=number)
        with torch.no_grad():
            outputs = component.module(*example)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        cases.append(([tensor.numpy() for tensor in example], [tensor.numpy() for tensor in outputs]))
    return cases


def _write(
    component: Component, probes: Probes, cases: Sequence[Case], folder: Path, options: Options
) -> tuple[ComponentEntry, Parity | None]:
    """Trace one component, compare it with torch in float32, and describe it."""
    plain = plain_graph(component.module)
    precision = component.computes_in(options.dtype) if plain is None else _plain_precision(component, plain)
    example = tuple(torch.from_numpy(array) for array in cases[0][0])
    # The wide graph first, as converting weights cannot be undone; it is listed last, as it is taken last.
    wide = component.name in options.wide and precision != "float32"
    engines, parities = [], []
    for number, computes in enumerate(("float32", precision) if wide else (precision,)):
        path = folder / "engines" / component.name / (ONNX if computes == precision else WIDE) / "model.onnx"
        path.parent.mkdir(parents=True)
        write_onnx(
            component.module.compute_in(DTYPES[computes]),
            example,
            inputs=component.inputs,
            outputs=component.outputs,
            path=path,
        )
        if number == int(wide):
            component.module.release()  # before ONNX Runtime takes the same weights
        parities.append(_compared(component.name, path, cases, probes, computes))
        engines.append(
            EngineEntry(
                target=ONNX,
                precision=computes,
                path=path.relative_to(folder).as_posix(),
                parity=None if parities[-1] is None else parities[-1].to_json(),
            )
        )
    tokenizer = None
    if component.tokenizer is not None:
        file = folder / "tokenizers" / component.name / "tokenizer.json"
        file.parent.mkdir(parents=True)
        file.write_bytes(component.tokenizer.text.encode())
        tokenizer = TokenizerEntry(
            path=file.relative_to(folder).as_posix(),
            max_length=component.tokenizer.max_length,
            start_id=component.tokenizer.start_id,
            end_id=component.tokenizer.end_id,
            pad_id=component.tokenizer.pad_id,
            overflow=component.tokenizer.overflow,
        )
    entry = ComponentEntry(
        inputs=component.inputs,
        outputs=component.outputs,
        engines=tuple(reversed(engines)),
        tokenizer=tokenizer,
        overflows=component.overflows,
    )
    return entry, parities[-1]


def _compared(name: str, path: Path, cases: Sequence[Case], probes: Probes, precision: str) -> Parity | None:
    """How a graph compares with torch; None where this machine cannot run it."""
    if precision == "bfloat16":  # ONNX Runtime's CPU kernels have none
        return None
    parity = compare(path, cases, probes, precision)
    if not parity.passed:
        raise CheckpointError(
            f"{name} does not compute in ONNX what it computes in torch: {parity.agreement.summary()}.",
            remedy="Export with --dtype float32; if that fails too, it is a fault of the exporter: report it.",
        )
    return parity


def _plain_precision(component: Component, plain: PlainGraph) -> str:
    """What an imported graph computes in: it is what it is, and refused where its model overflows in it."""
    if component.computes_in(plain.dtype) != plain.dtype:
        raise CheckpointError(
            f"{plain.title} is in {plain.dtype}, but the model needs float32: {component.overflows}.",
            remedy=f"Take the folder {plain.path.parent.name} from an export with Optimum's --dtype fp32.",
        )
    return plain.dtype


def _sizes(case: Mapping[str, int], multiple: int, downscale: int) -> Mapping[str, int]:
    """Free dimensions of one case: pictures of `rows` by `columns` times the smallest side."""
    height, width = case["rows"] * multiple, case["columns"] * multiple
    return {
        **{dim: case[dim] for dim in ("B", "N", "S", "L")},
        "H": height,
        "W": width,
        "h": height // downscale,
        "w": width // downscale,
    }
