"""A user's program that needs every public name, for type checkers; what it draws is of no interest.

`tests/latentlink/face/test_types.py` has it checked as strictly as pyright and mypy can.
"""

# ruff: noqa: T201 - a user may print
from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import latentlink
from latentlink.options import NoiseName, OnOff, SamplerName, SigmasName, SpacingName, TargetName


def show(progress: latentlink.Progress) -> bool | None:
    """Cancel after a minute."""
    preview = progress.predicted()
    print(f"{progress.step} of {progress.steps}, {preview.shape}")
    return False if progress.seconds > 60 else None


def draw(
    pipe: latentlink.Pipeline,
    prompts: Sequence[str],
    on_step: latentlink.OnStep = show,
    **options: Unpack[latentlink.GenerateOptions],
) -> latentlink.Result:
    """Pictures, with options handed through."""
    out = pipe.generate(prompts, on_step=on_step, **options)
    request: latentlink.Request = out.request
    for number, image in enumerate(out.images):
        image.save(f"{request.seed}-{number}.png")
    mended: tuple[latentlink.Mended, ...] = out.mended
    cache: latentlink.Unmeasured | None = out.unmeasured_cache
    print(*(f"{one.component}: {one.fault.found}" for one in mended), cache and cache.every, out.timings["total"])
    return out


def again(pipe: latentlink.Pipeline, file: Path) -> latentlink.Origin:
    """A picture made again from its file, with another seed."""
    out = pipe.generate(**latentlink.picture_options(file, seed=8))
    record: latentlink.Record = out.records[0]
    files: list[Path] = out.save(file.with_suffix(".webp"), quality=90, metadata=False)
    print(record.to_json(), files)
    return record.origin


def change_course(progress: latentlink.Progress) -> latentlink.Change | None:
    """Turn guidance off half way."""
    return latentlink.Change(guidance=1.0) if progress.row == progress.rows // 2 else None


def in_a_loop(pipe: latentlink.Pipeline) -> latentlink.Result:
    """Rows in a loop, of prompts that are encoded once."""
    pipe.warm_up(width=64, height=64)
    encoded: latentlink.PromptEmbeddings = pipe.encode_prompt(["a circle", "a square"], negative_prompt="grey")
    pipe.generate(encoded, on_step=change_course, steps=[4, 6], sampler=["euler", "ddim"], seed=[1, 2])
    steps: latentlink.Steps = pipe.steps(encoded, seed=3, batch_seed=True)
    for progress in steps:
        if progress.row == 2:
            steps.change(guidance=[1.0, 3.0], latents=progress.latents())
    return steps.finish()


async def awaited(pipe: latentlink.Pipeline) -> latentlink.Result:
    """Rows that are awaited, and a whole run."""
    async for progress in pipe.steps("a circle"):
        print(progress.row)
    return await pipe.steps("a square")


def with_choices(
    pipe: latentlink.Pipeline,
    sampler: SamplerName = "dpmpp_2m",
    spacing: SpacingName = "trailing",
    sigmas: SigmasName = "karras",
    noise: NoiseName = "philox",
    guard: OnOff = "off",
) -> latentlink.Latents:
    """Values by our names, and a sampler by another program's."""
    drawn = pipe.generate("a circle", sampler=sampler, spacing=spacing, sigmas=sigmas, noise=noise, guard=guard)
    pipe.decode(pipe.encode(drawn.images[0], guard=guard), guard=guard)
    return pipe.generate("a circle", sampler="DPM++ 2M Karras").latents


def explain(pipe: latentlink.Pipeline) -> None:
    """What was decided while the bundle was opened."""
    for decision in pipe.decisions:
        one: latentlink.Decision = decision
        skipped: tuple[latentlink.Skipped, ...] = one.skipped
        proof: latentlink.Proof | None = one.proof
        admission: latentlink.Admission | None = one.admission
        print(one.component, [str(engine) for engine in skipped], proof and proof.psnr, admission and admission.snr)
    ports: list[latentlink.Port] = [port for engine in pipe.engines for port in engine.session.inputs]
    print([port.symbol for port in ports])


def several(
    first: latentlink.Pipeline, second: latentlink.Pipeline, **options: Unpack[latentlink.RunOptions]
) -> latentlink.ChainResult:
    """A chain of two models, and a transfer."""
    refining: latentlink.StageOptions = {"strength": 0.4, "steps": 10}
    stages = [latentlink.Stage(pipeline=first), latentlink.Stage(pipeline=second, **refining)]
    made = latentlink.chain("a red circle", stages, seed=7, **options)
    hops: tuple[latentlink.Hop, ...] = made.hops
    moved: latentlink.TransferResult = latentlink.transfer(made.latents, source=second, destination=first)
    print(hops[0].kind, moved.psnr)
    return made


def describe(space: latentlink.LatentSpace, text: latentlink.TextEmbedding) -> str:
    """Two records of what numbers mean."""
    return f"{space.name} {space.numbers()} {text.name} {space in latentlink.KNOWN_SPACES.values()}"


def main(bundle: Path, target: TargetName = "auto") -> latentlink.ExitStatus:
    """Draw, and end with a status that says what went wrong."""
    try:
        with latentlink.load(bundle, target=target, replace={"vae_decoder": "demo-tiny"}) as pipe:
            explain(pipe)
            draw(pipe, ["a red circle"], steps=4, width=64, init_latents=with_choices(pipe), strength=0.5)
            several(pipe, pipe, num_images=1)
    except latentlink.GuardError as error:
        print(error.stage, error.numbers, error.unusual, error.remedy)
        return error.status
    except (latentlink.LinkError, latentlink.BundleError, latentlink.PreflightError, latentlink.DeviceError) as error:
        return error.status
    except (latentlink.SymbolError, latentlink.CheckpointError, latentlink.UsageError, latentlink.BuildError):
        return latentlink.ExitStatus.USAGE
    except latentlink.Cancelled:
        return latentlink.ExitStatus.INTERRUPTED
    except latentlink.LatentLinkError as error:
        print(error.message, latentlink.__version__)
        return error.status
    return latentlink.ExitStatus.DONE


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
