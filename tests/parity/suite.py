"""What tests/parity runs: every family and pipeline with its samplers, at sizes, batches and prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from latentlink.bench.parity.case import Case, Kind

SPACES: Mapping[str, str] = {
    "tiny-sd1": "sd",
    "tiny-sd1-inpaint": "sd",
    "tiny-lcm": "sd",
    "tiny-sd2": "sd",
    "tiny-sd2-base": "sd",
    "tiny-sdxl": "sdxl",
    "tiny-sdxl-v": "sdxl",
    "tiny-sdxl-inpaint": "sdxl",
    "tiny-sdxl-refiner": "sdxl",
    "tiny-sdxl-turbo": "sdxl",
    "tiny-sdxl-lightning": "sdxl",
    "tiny-lcm-sdxl": "sdxl",
    "tiny-sd3": "sd3",
    "tiny-sd3-no-t5": "sd3",
    "tiny-sd35": "sd3",
    "tiny-flux-dev": "flux1",
    "tiny-flux-schnell": "flux1",
}
"""Every random checkpoint of the suite, and the latent space that its VAE stands for."""

VARIANTS = (
    "tiny-sd2-base",
    "tiny-sdxl-v",
    "tiny-sdxl-inpaint",
    "tiny-sdxl-turbo",
    "tiny-sdxl-lightning",
    "tiny-lcm-sdxl",
    "tiny-sd3-no-t5",
    "tiny-sd35",
    "tiny-flux-schnell",
)
"""Checkpoints that share most of their graphs with another: exported only where every case is run."""

SQUARE, WIDE = (64, 64), (128, 64)
SIZES = (SQUARE, WIDE)
ODD_SIZES, ODD_TOKENS = ((136, 72), (120, 1080)), ((144, 80), (112, 208))
"""Widths and heights whose latents are odd: 17x9 elements, odd at every level of a UNet, and 15x135; for a transformer
that reads patches of 2x2, odd numbers of these."""

BATCHES = (1, 3)
NEGATIVE = "green, ugly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A checkpoint in a pipeline.

    Args:
        checkpoint: A key of `SPACES`.
        pipeline: What people call it.
        samplers: The checkpoint's own first, then three others.
        kind: As of `Case`.
        guidance: As of `Case`.
        steps: As of `Case`.
        guided: Whether a negative prompt has an effect.
        strength: Strength of a start from a picture.
        start: `denoising_start` of a hand-over.
        end: `denoising_end`.
        after: Checkpoint that makes the latents of a hand-over.
        prompts: As of `Case`.
    """

    checkpoint: str
    pipeline: str
    samplers: tuple[str, str, str, str]
    kind: Kind = "text2img"
    guidance: float = 5.0
    steps: int = 10
    guided: bool = True
    strength: float | None = None
    start: float | None = None
    end: float | None = None
    after: str | None = None
    prompts: tuple[str, ...] = ("a red circle on a blue background",)

    @property
    def family(self) -> str:
        """As in the table."""
        return self.checkpoint.removeprefix("tiny-")

    @property
    def unet(self) -> bool:
        """Whether the network is a UNet."""
        return SPACES[self.checkpoint] in ("sd", "sdxl")

    @property
    def name(self) -> str:
        """As in a test's name."""
        return f"{self.family}-{self.pipeline}"

    def case(self, sampler: str, size: tuple[int, int], batch: int, negative: str | None) -> Case:
        """One generation of this subject."""
        return Case(
            sampler=sampler,
            seed=batch,
            guidance=self.guidance,
            width=size[0],
            height=size[1],
            steps=self.steps,
            num_images=batch,
            prompts=self.prompts,
            negative_prompt=negative,
            kind=self.kind,
            strength=self.strength,
            denoising_start=self.start,
            denoising_end=self.end,
        )

    def case_before(self, case: Case) -> Case:
        """What the checkpoint `after` does before `case`, a hand-over."""
        return case.changed(kind="text2img", denoising_start=None, denoising_end=case["denoising_start"])

    def every_case(self) -> Iterator[Case]:
        """Every sampler at every size, batch and with and without a negative prompt."""
        for sampler, size, batch, negative in product(self.samplers, SIZES, BATCHES, self._negatives()):
            yield self.case(sampler, size, batch, negative)

    def covering_cases(self) -> Iterator[Case]:
        """Every sampler at every size, with the batches and the negative prompts in turn."""
        for (row, sampler), (column, size) in product(enumerate(self.samplers), enumerate(SIZES)):
            negatives = self._negatives()
            batch = BATCHES[(row + column) % 2]
            yield self.case(sampler, size, batch, negatives[(row // 2 + column) % len(negatives)])

    def odd_cases(self) -> Iterator[Case]:
        """The checkpoint's own sampler at sizes that no halving divides."""
        for size in ODD_SIZES if self.unet else ODD_TOKENS:
            yield self.case(self.samplers[0], size, 2, NEGATIVE if self.guided else None)

    def _negatives(self) -> tuple[str | None, ...]:
        return (None, NEGATIVE) if self.guided else (None,)


_PNDM = ("pndm", "ddim", "euler", "dpmpp_2m")
_DDIM = ("ddim", "euler_a", "dpmpp_2m", "unipc")
_EULER = ("euler", "ddim", "dpmpp_2m_sde", "heun")
_EULER_A = ("euler_a", "euler", "ddim", "dpmpp_2m")
_LCM = ("lcm", "tcd", "euler", "ddim")
_FLOW = ("flow_euler", "flow_heun", "dpmpp_2m", "unipc")

_PROMPTS = ("a red circle on a blue background", "a windmill", "")

SUBJECTS: tuple[Subject, ...] = (
    Subject(checkpoint="tiny-sd1", pipeline="text2img", samplers=_PNDM),
    Subject(checkpoint="tiny-sd1", pipeline="three prompts", samplers=_PNDM, prompts=_PROMPTS),
    Subject(checkpoint="tiny-sd1", pipeline="img2img", kind="img2img", strength=0.65, samplers=_PNDM),
    Subject(checkpoint="tiny-sd1", pipeline="inpaint", kind="inpaint", strength=1.0, samplers=_PNDM),
    Subject(checkpoint="tiny-sd1-inpaint", pipeline="inpaint", kind="inpaint", strength=0.85, samplers=_PNDM),
    Subject(checkpoint="tiny-lcm", pipeline="text2img", samplers=_LCM, guidance=8.0, steps=4, guided=False),
    Subject(checkpoint="tiny-sd2", pipeline="text2img", samplers=_DDIM),
    Subject(checkpoint="tiny-sd2", pipeline="img2img", kind="img2img", strength=0.5, samplers=_DDIM),
    Subject(checkpoint="tiny-sd2-base", pipeline="text2img", samplers=_PNDM),
    Subject(checkpoint="tiny-sdxl", pipeline="text2img", samplers=_EULER),
    Subject(checkpoint="tiny-sdxl", pipeline="three prompts", samplers=_EULER, prompts=_PROMPTS),
    Subject(checkpoint="tiny-sdxl", pipeline="img2img", kind="img2img", strength=0.65, samplers=_EULER),
    Subject(checkpoint="tiny-sdxl", pipeline="inpaint", kind="inpaint", strength=0.85, samplers=_EULER),
    Subject(checkpoint="tiny-sdxl", pipeline="first part", samplers=_EULER, end=0.4),
    Subject(checkpoint="tiny-sdxl-v", pipeline="text2img", samplers=_EULER),
    Subject(checkpoint="tiny-sdxl-inpaint", pipeline="inpaint", kind="inpaint", strength=1.0, samplers=_EULER),
    Subject(checkpoint="tiny-sdxl-refiner", pipeline="img2img", kind="img2img", strength=0.3, samplers=_EULER),
    Subject(
        checkpoint="tiny-sdxl-refiner",
        pipeline="hand-over",
        kind="img2img",
        samplers=_EULER,
        start=0.4,
        after="tiny-sdxl",
    ),
    Subject(
        checkpoint="tiny-sdxl-turbo",
        pipeline="text2img",
        samplers=_EULER_A,
        guidance=0.0,
        steps=4,
        guided=False,
    ),
    Subject(
        checkpoint="tiny-sdxl-turbo",
        pipeline="img2img",
        kind="img2img",
        strength=0.5,
        samplers=_EULER_A,
        guidance=0.0,
        steps=4,
        guided=False,
    ),
    Subject(
        checkpoint="tiny-sdxl-lightning",
        pipeline="text2img",
        samplers=_EULER,
        guidance=0.0,
        steps=4,
        guided=False,
    ),
    Subject(checkpoint="tiny-lcm-sdxl", pipeline="text2img", samplers=_LCM, guidance=8.0, steps=4, guided=False),
    Subject(checkpoint="tiny-sd3", pipeline="text2img", samplers=_FLOW),
    Subject(checkpoint="tiny-sd3", pipeline="three prompts", samplers=_FLOW, prompts=_PROMPTS),
    Subject(checkpoint="tiny-sd3", pipeline="img2img", kind="img2img", strength=0.65, samplers=_FLOW),
    Subject(checkpoint="tiny-sd3", pipeline="inpaint", kind="inpaint", strength=0.85, samplers=_FLOW),
    Subject(checkpoint="tiny-sd3-no-t5", pipeline="text2img", samplers=_FLOW),
    Subject(checkpoint="tiny-sd35", pipeline="text2img", samplers=_FLOW),
    Subject(checkpoint="tiny-flux-dev", pipeline="text2img", samplers=_FLOW, guidance=3.5, guided=False),
    Subject(
        checkpoint="tiny-flux-dev",
        pipeline="three prompts",
        samplers=_FLOW,
        guidance=3.5,
        guided=False,
        prompts=_PROMPTS,
    ),
    Subject(
        checkpoint="tiny-flux-dev",
        pipeline="img2img",
        kind="img2img",
        strength=0.65,
        samplers=_FLOW,
        guidance=3.5,
        guided=False,
    ),
    Subject(
        checkpoint="tiny-flux-dev",
        pipeline="inpaint",
        kind="inpaint",
        strength=0.85,
        samplers=_FLOW,
        guidance=3.5,
        guided=False,
    ),
    Subject(checkpoint="tiny-flux-schnell", pipeline="text2img", samplers=_FLOW, guidance=0.0, steps=4, guided=False),
)
