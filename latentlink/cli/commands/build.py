"""`latentlink build`."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from latentlink.amounts import bytes_in_words
from latentlink.bundle_names import bundle_path, new_bundle_path
from latentlink.cli.shared.console import print_measured
from latentlink.cli.shared.order import check_order, is_export
from latentlink.terminal.printing import say, say_json
from latentlink.terminal.progress import progress

if TYPE_CHECKING:
    from latentlink.engine.build_report import BuildReport


@click.command(
    epilog="""\b
Examples:
  latentlink build exported bundle
  latentlink build exported bundle --target auto --width 512 --height 512 --batch 1
  latentlink build exported bundle --width 256:512:1024 --height 256:512:1024
  latentlink build exported bundle --target tensorrt-rtx --target ort-cpu --precision fp16
  latentlink build exported bundle --target tensorrt-rtx --compute-capability 8.9    # no GPU is needed here
"""
)
@click.argument("exported")
@click.argument("bundle")
@click.option(
    "--target",
    "targets",
    multiple=True,
    default=["ort-cpu"],
    show_default=True,
    help="Target to build for: tensorrt, tensorrt-rtx, ort-tensorrt, ort-nv-rtx, ort-cuda, openvino-cpu or ort-cpu. "
    "May be repeated. auto builds for all that this machine can run, times each at the requested sizes, or the model's "
    "own, and keeps the fastest.",
)
@click.option(
    "--precision",
    help="fp32, fp16 or bf16; layers that need float32 keep it. For a calibrated export also int8 or fp8, with the "
    "rest in float32, or, for openvino-cpu, int8+bf16, with the rest in bfloat16.  [default: the precision of the "
    "export]",
)
@click.option(
    "--width",
    help="Picture width in pixels: fixed (512) or smallest:best:largest.  [default: free; with TensorRT, the model's]",
)
@click.option(
    "--height",
    help="Picture height in pixels, in the same forms.  [default: free; with TensorRT, the model's]",
)
@click.option("--batch", help="Pictures per batch, in the same forms.  [default: free; with TensorRT, 1:1:4]")
@click.option("--refit", is_flag=True, help="TensorRT: allow replacing the weights of the built engine.")
@click.option("--weight-streaming", is_flag=True, help="TensorRT: allow weights to stay in the host's memory.")
@click.option(
    "--compute-capability",
    "compute_capabilities",
    multiple=True,
    metavar="X.Y",
    help="TensorRT-RTX: compute capability to build for, such as 8.9. May be repeated.  [default: 8.0 and later]",
)
@click.option(
    "--timing-cache", type=click.Path(path_type=Path), help="TensorRT: file that keeps timings for later builds."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    exported: str,
    bundle: str,
    targets: tuple[str, ...],
    precision: str | None,
    width: str | None,
    height: str | None,
    batch: str | None,
    refit: bool,
    weight_streaming: bool,
    compute_capabilities: tuple[str, ...],
    timing_cache: Path | None,
    as_json: bool,
) -> None:
    """Compile the components in EXPORTED to engines in BUNDLE.

    An existing bundle is kept until the new one is complete.
    """
    from latentlink.engine.bundle import Bundle

    new_bundle_path(bundle, "BUNDLE")
    check_order(
        exported,
        [bundle],
        fits=is_export,
        what="an export",
        order="the export comes before the bundle",
        usage="latentlink build EXPORTED BUNDLE",
    )
    Bundle.open(
        bundle_path(exported, "EXPORTED"), check_files=False
    )  # what is no export is refused before the builders are imported

    from latentlink.engine.build import build_bundle
    from latentlink.engine.builders import BuildOptions
    from latentlink.engine.component_build import BuildEvents
    from latentlink.engine.sizes import PictureSizes, parse_range
    from latentlink.runtime.probing import opener

    began = perf_counter()
    sizes = PictureSizes(
        width=None if width is None else parse_range(width),
        height=None if height is None else parse_range(height),
        batch=None if batch is None else parse_range(batch),
    )
    options = BuildOptions(
        precision=precision,
        refit=refit,
        weight_streaming=weight_streaming,
        compute_capabilities=compute_capabilities,
        timing_cache=timing_cache,
    )
    with progress() as bar:
        task = bar.add_task("checking the export", total=None)
        phases = bar.add_task("", total=100, visible=False)

        def begins(number: int, count: int, title: str) -> None:
            bar.update(task, total=count, completed=number, description=f"building {title}")
            bar.reset(phases, visible=False)

        def in_phase(phase: str, share: float) -> None:
            bar.update(phases, completed=int(100 * share), description=phase, visible=True)

        report = build_bundle(
            exported,
            bundle,
            targets=targets,
            sizes=sizes,
            options=options,
            events=BuildEvents(on_engine=begins, on_phase=in_phase),
            opener=opener,
        )
    if as_json:
        say_json({"bundle": bundle} | report.to_json())
        return
    _print(bundle, report, perf_counter() - began)


def _print(bundle: str, report: BuildReport, seconds: float) -> None:
    from latentlink.engine.build_report import DISAGREES

    for name, conversion in report.conversions.items():
        say(f"{name}: {conversion.summary()}")
    for one in report.dropped:
        if one.code == DISAGREES:  # the others are in the table of the measured engines
            title = f"{one.component}.{one.target}.{one.precision}"
            say(f"Left out, {title}: {one.summary()}")
    manifest = report.manifest
    print_measured(manifest)
    total = sum(file.size for file in manifest.files.values())
    count = sum(len(component.engines) for component in manifest.components.values())
    say(f"{bundle}: {count} engines, {bytes_in_words(total)}, {seconds:.0f} s.")
    for target, finding in {one.target: one.finding for one in report.unchecked}.items():
        say(f"Not run here, {target}: {finding}")
    if report.unchecked:
        say(f"Where they can run, check them: latentlink verify {bundle}")
    elif "denoiser" in manifest.components:
        say(f'Next: latentlink generate {bundle} "PROMPT" -o out.png')
    else:
        replaced = " ".join(f"--replace {component}={bundle}" for component in manifest.components)
        say(f'Next: latentlink generate BUNDLE "PROMPT" {replaced} -o out.png')
