"""`latentlink build`."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import click

from latentlink.cli._console import console, print_json, progress, size


@click.command(
    epilog="""\b
Examples:
  latentlink build exported bundle
  latentlink build exported bundle --width 512 --height 512 --batch 1
  latentlink build exported bundle --width 256:512:1024 --height 256:512:1024
"""
)
@click.argument("exported", type=click.Path(path_type=Path))
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--target", "targets", multiple=True, default=["ort-cpu"], show_default=True, help="May be repeated.")
@click.option("--width", help="Pixels, fixed (512) or smallest:best:largest; free where left out.")
@click.option("--height", help="The same for the height.")
@click.option("--batch", help="The same for the pictures of a batch.")
@click.option("--json", "as_json", is_flag=True, help="Print what was built as JSON.")
def command(
    exported: Path,
    bundle: Path,
    targets: tuple[str, ...],
    width: str | None,
    height: str | None,
    batch: str | None,
    as_json: bool,
) -> None:
    """Compile the components in EXPORTED to engines in BUNDLE.

    A bundle that is there already is kept until the new one is whole.
    """
    from latentlink.engine.build import Shapes, build_bundle, parse_range

    began = perf_counter()
    shapes = Shapes(
        width=parse_range(width) if width else None,
        height=parse_range(height) if height else None,
        batch=parse_range(batch) if batch else None,
    )
    with progress() as bar:
        task = bar.add_task("checking the export", total=None)
        manifest = build_bundle(
            exported,
            bundle,
            targets=targets,
            shapes=shapes,
            on_engine=lambda number, count, title: bar.update(
                task, total=count, completed=number, description=f"building {title}"
            ),
        )
    if as_json:
        print_json({"bundle": str(bundle)} | manifest.to_json())
        return
    total = sum(file.size for file in manifest.files.values())
    count = sum(len(component.engines) for component in manifest.components.values())
    console.print(f"{bundle}: {count} engines, {size(total)}, {perf_counter() - began:.0f} s.")
    if "denoiser" in manifest.components:
        console.print(f'Next: latentlink generate {bundle} "PROMPT" -o out.png')
    else:
        replaced = " ".join(f"--replace {component}={bundle}" for component in manifest.components)
        console.print(f'Next: latentlink generate BUNDLE "PROMPT" {replaced} -o out.png')
