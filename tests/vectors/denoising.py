"""Whole runs on the denoiser of `step_double.py`: `denoising.json`, and latents in `denoising.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentlink.errors import LatentLinkError
from latentlink.runtime.denoising import Change, denoise, guided_rows
from latentlink.runtime.denoising.beginning import Picture, runs_of
from latentlink.runtime.denoising.conditioning import conditions_of
from latentlink.runtime.denoising.run import Text, slots
from latentlink.runtime.denoising.stepper import Stepper
from latentlink.runtime.linking import Engine
from latentlink.runtime.request import Inputs, resolve
from tests.vectors.request_cases import SAMPLINGS
from tests.vectors.step_double import TEXT, StepDouble

Case = dict[str, Any]

SIDE, LATENT = 32, 4
"""Side of every picture in pixels, and of its latent."""

SAMPLING = replace(
    SAMPLINGS["plain"], size_multiple=8, width=SIDE, height=SIDE, conditions={"size": ((2.0, 3.0), (1.0, 0.0))}
)
FLOW = replace(SAMPLINGS["flow"], size_multiple=8, width=SIDE, height=SIDE)
"""What the bundle says of sampling, where `flow` is not or is true."""


def _case(name: str, *, options: Case | None = None, **more: Any) -> Case:
    return {"name": name, "options": {"seed": 3, "steps": 5, **(options or {})}, **more}


THREE = {"num_images": 3}

CASES: tuple[Case, ...] = (
    *(
        _case(f"sampler {sampler}", options={"sampler": sampler})
        for sampler in (
            *("ddim", "ddpm", "euler", "euler_a", "heun", "dpm2", "lms", "pndm", "dpmpp_2m", "dpmpp_2m_sde"),
            *("dpmpp_2s", "unipc", "deis", "lcm", "tcd"),
        )
    ),
    *(
        _case(f"flow {sampler}", flow=True, kind="embedded", options={"sampler": sampler})
        for sampler in ("flow_euler", "flow_heun", "dpmpp_2m", "unipc")
    ),
    _case("philox noise", options={"noise": "philox", "sampler": "euler_a"}),
    _case("a negative seed", options={"seed": -7}),
    _case("without guidance", options={"guidance": 1}),
    _case("an unguided model", kind="unguided"),
    _case("half precision", dtype="float16", options={"sampler": "dpmpp_2m_sde"}),
    _case("watched", watched=True),
    _case("a zero unconditional", zeros=True),
    _case("other steps", options={**THREE, "steps": [3, 7, 5]}),
    _case("guidance on and off", options={**THREE, "guidance": [1, 7, 3.5]}),
    _case("other samplers", options={**THREE, "sampler": ["euler_a", "heun", "pndm"]}),
    _case("texts of other lengths", options=THREE, lengths=[2, 4, 2]),
    _case("a fixed batch", options={**THREE, "steps": [2, 4, 5]}, limits={"B": (4, 4, 4)}),
    _case("one seed for the batch", options={**THREE, "batch_seed": True, "sampler": "euler_a"}),
    _case("an interval of guidance", options={"guidance_interval": [0.4, 5.0], "steps": 6}),
    *(
        _case(f"step cache {every} with {sampler}", options={"step_cache": every, "steps": 7, "sampler": sampler})
        for every, sampler in ((2, "euler"), (3, "heun"), (2, "dpmpp_2m_sde"))
    ),
    _case("step cache of several", options={**THREE, "step_cache": 2, "steps": [4, 7, 6], "guidance": [1, 5, 3]}),
    _case(
        "step cache in an interval",
        options={**THREE, "step_cache": 3, "guidance_interval": [0.4, 5.0], "steps": [6, 8, 6], "sampler": "euler"},
    ),
    *(
        _case(f"{kind} from a picture", kind=kind, images=1, options={"strength": 0.6, "sampler": "euler_a"})
        for kind in ("cfg", "unguided")
    ),
    _case("pictures of their own", images=3, options={**THREE, "strength": 0.6, "steps": [8, 5, 8]}),
    _case("pictures of their own in one batch", images=3, options={**THREE, "strength": 0.6, "batch_seed": True}),
    _case("from latents", latents=1, options={**THREE, "strength": 0.5}),
    *(
        _case(f"a mask with {sampler}", images=1, masks=1, options={"sampler": sampler})
        for sampler in ("ddim", "heun", "unipc", "pndm", "euler_a")
    ),
    _case("a mask and less strength", images=1, masks=1, options={"strength": 0.7}),
    _case("a mask over several", images=3, masks=3, options={**THREE, "steps": [5, 4, 6]}),
    _case("a mask over several in one batch", images=3, masks=1, options={**THREE, "batch_seed": True}),
    _case("a mask in half precision", images=1, masks=1, dtype="float16", options={"denoising_end": 0.5}),
    _case("a mask that the model reads", kind="masked", images=1, masks=1),
    _case(
        "a mask that the model reads, and less strength", kind="masked", images=1, masks=1, options={"strength": 0.5}
    ),
    _case("masks that the model reads", kind="masked", images=3, masks=1, options={**THREE, "sampler": "euler_a"}),
    _case("half way", options={"denoising_end": 0.5}),
    _case("handed over", latents=1, options={"denoising_start": 0.5}),
    _case(
        "handed over, noise drawn on the way",
        latents=3,
        options={**THREE, "denoising_start": 0.5, "sampler": "euler_a"},
    ),
    _case("handed over with a mask", latents=1, images=1, masks=1, options={"denoising_start": 0.5}),
    _case(
        "handed over with a mask that the model reads",
        kind="masked",
        latents=1,
        images=1,
        masks=1,
        options={"denoising_start": 0.5},
    ),
    _case(
        "handed over at the right level",
        latents=1,
        level=[1.0, 1.6156],
        options={"denoising_start": 0.5, "sampler": "euler"},
    ),
    _case(
        "handed over at another level",
        latents=1,
        level=[1.0, 0.5],
        options={"denoising_start": 0.5, "sampler": "euler"},
    ),
    _case(
        "handed over within a step", latents=1, level=[1.0, 0.5], options={"denoising_start": 0.5, "sampler": "heun"}
    ),
    _case("handed over finished", latents=1, level=[1.0, 0.0], options={"denoising_start": 0.5}),
    _case("started half way", latents=1, level=[0.6, 0.8], options={"strength": 0.5}),
    _case("started finished", latents=1, level=[1.0, 0.0], options={"strength": 0.5}),
    _case("guidance changed", options={"steps": 6}, changes={"2": {"guidance": 2.5}, "4": {"guidance": 1}}),
    _case(
        "guidance changed of each", options=THREE, changes={"1": {"guidance": [1, 2, 7]}, "3": {"guidance": [9, 0, 7]}}
    ),
    _case("guidance turned off in a step cache", options={"step_cache": 3, "steps": 8}, changes={"4": {"guidance": 1}}),
    _case("guidance turned on", options={"guidance": 1}, changes={"2": {"guidance": 3}}),
    _case("guidance of another number", options=THREE, changes={"2": {"guidance": [1, 2]}}),
    _case("guidance of no number", changes={"2": {"guidance": "a"}}),
    _case("guidance turned off in a fixed engine", limits={"N": (2, 2, 2)}, changes={"2": {"guidance": 1}}),
    _case("guidance changed of a distilled model", kind="embedded", flow=True, changes={"2": {"guidance": 8}}),
    _case(
        "latents changed", options={**THREE, "steps": [3, 5, 4]}, changes={"2": {"scale": 0.5}, "3": {"scale": -1.0}}
    ),
    _case("latents changed in half precision", dtype="float16", changes={"2": {"scale": 0.5}}),
    _case("latents changed beyond half precision", dtype="float16", changes={"2": {"scale": 1e9}}),
)
"""Runs. `kind` and `dtype` are those of the denoiser, `lengths` the tokens of each picture's text; `images`, `masks`
and `latents` how many a run starts from; `changes` what changes after a row, where `scale` multiplies the latents."""


def denoising() -> tuple[list[Case], dict[str, NDArray[np.float32]]]:
    """The runs, with what was called and reported, and their latents by name: after the last row, and predicted."""
    listed, arrays = [], {}
    for case in CASES:
        try:
            answer, latents, predicted = run(case)
            arrays[case["name"]], arrays[f"{case['name']}, predicted"] = latents, predicted
            listed.append({**case, "answer": answer})
        except LatentLinkError as error:
            listed.append({**case, "status": int(error.status), "message": error.message, "remedy": error.remedy})
    return listed, arrays


def run(case: Case) -> tuple[Case, NDArray[np.float32], NDArray[np.float32]]:
    """What a run reports, its latents, and what its last row predicted."""
    calls: list[tuple[str, int, int]] = []
    kind, dtype = case.get("kind", "cfg"), case.get("dtype", "float32")
    denoiser, shallow = (_engine(StepDouble(one, dtype, calls), case.get("limits", {})) for one in (kind, "shallow"))
    latent = denoiser.session.outputs[0]
    requests = resolve(FLOW if case.get("flow") else SAMPLING, "a", case["options"])
    pictures = [_picture(denoiser, request) for request in requests]
    texts = _texts(denoiser, case.get("lengths", [2] * len(requests)), zeros=case.get("zeros", False))
    runs = runs_of(pictures, texts, _inputs(case), session=denoiser.session, latent=latent, encode=_encode)
    caches = any(one.shallow.any() for one in runs)
    stepper = Stepper(denoiser=denoiser, shallow=shallow if caches else None, latent=latent)
    rows = denoise(denoiser, stepper, runs, watched=case.get("watched", False))
    changes, reported, change, predicted = case.get("changes", {}), [], None, None
    while True:
        try:
            progress = rows.send(change)
        except StopIteration as end:
            done = end.value
            break
        reported.append([progress.row, progress.rows, progress.step, progress.steps])
        predicted = progress.predicted()
        change = _change(changes.get(str(len(reported))), progress.latents)
    assert predicted is not None
    answer = {"calls": calls, "progress": reported, "buffer": done.buffer is not None}
    return answer, done.array.astype(np.float32), predicted


def _engine(session: StepDouble, limits: Mapping[str, tuple[int, int, int]]) -> Engine:
    declared = (session.inputs, session.outputs)
    return Engine(component="denoiser", bundle="demo", session=cast(Any, session), declared=declared, limits=limits)


def _picture(denoiser: Engine, request: Any) -> Picture:
    table = request.table()
    guided = guided_rows(denoiser, request, table)
    conditions = conditions_of(denoiser, request)
    return Picture(request=request, table=table, guided=guided, paired=bool(guided.any()), conditions=conditions)


def _texts(denoiser: Engine, lengths: Sequence[int], *, zeros: bool) -> list[dict[str, Text]]:
    """Texts of each length in a buffer of their own: all prompts, then their negative prompts."""
    made: list[dict[str, Text]] = [{} for _ in lengths]
    for length in sorted({*lengths}):
        own = [number for number, one in enumerate(lengths) if one == length]
        count = 2 * len(own)
        numbers = (np.arange(count * length * 8, dtype=np.float32) * 7 % 16 / 16 - 0.5).reshape(count, length, 8)
        rows = slots(denoiser.session.upload(numbers), count, (length, 8))
        for place, number in enumerate(own):
            made[number][TEXT.tensor] = Text(rows[place], None if zeros else rows[len(own) + place])
    return made


def _inputs(case: Case) -> Inputs:
    latents = case.get("latents", 0)
    numbers: Any = np.arange(latents * 4 * LATENT * LATENT, dtype=np.float32) * 5 % 32 / 16 - 1
    return Inputs(
        images=[_image(number) for number in range(case.get("images", 0))],
        masks=[_mask(number) for number in range(case.get("masks", 0))],
        latents=numbers.reshape(latents, 4, LATENT, LATENT) if latents else None,
        level=tuple(case["level"]) if "level" in case else None,
    )


def _image(number: int) -> Image.Image:
    numbers = (np.arange(SIDE * SIDE * 3) * 31 + number * 77) % 251
    return Image.fromarray(numbers.reshape(SIDE, SIDE, 3).astype(np.uint8))


def _mask(number: int) -> Image.Image:
    """White on the left: more with every number."""
    row = np.where(np.arange(SIDE) < 8 * (number + 1), 255, 0).astype(np.uint8)
    return Image.fromarray(np.repeat(row[None], SIDE, axis=0))


def _encode(
    pictures: NDArray[np.uint8], masks: NDArray[np.float32] | None, noise: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A VAE on paper: the mean of each patch of 8x8 pixels, black inside the mask, and a tenth of the noise."""
    kept = pictures.astype(np.float32)
    if masks is not None:
        kept = kept * (1 - masks.transpose(0, 2, 3, 1))
    patches = kept.reshape(len(kept), LATENT, 8, LATENT, 8, 3).sum((2, 4))
    z = patches.transpose(0, 3, 1, 2)[:, [0, 1, 2, 0]] * np.float32(2.0**-13) - np.float32(1)
    made: NDArray[np.float32] = z + noise * np.float32(0.1)
    return made


def _change(asked: Case | None, latents: Any) -> Change | None:
    if asked is None:
        return None
    scale = asked.get("scale")
    changed = None if scale is None else latents().astype(np.float32) * np.float32(scale)
    return Change(guidance=asked.get("guidance"), latents=changed)
