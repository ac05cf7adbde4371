"""The options of a generation, each described once: name, type, range, default, and a sentence of help.

`Pipeline.generate`, `Stage` and `chain` take them as keyword arguments (PEP 692); the command line and the benchmarks
make their options from the table. To add an option, write its line here, and a field in `Request` if a run reads it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypedDict, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from PIL.Image import Image

    from latentlink import Latents

MAX_BATCH = 1024
MAX_SIDE = 16384
MAX_STEPS = 1000
MAX_COUNT = 100_000
"""Generations of one calibration."""
MAX_THREADS = 1024
"""Threads of one run: more would take gigabytes for their stacks and be no faster."""

NoiseSampler: TypeAlias = Literal[
    "ddim", "ddpm", "euler", "euler_a", "heun", "dpm2", "lms", "pndm", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_2s", "unipc",
    "deis", "lcm", "tcd",
]  # fmt: skip
"""Samplers of models that were trained with a noise schedule."""

FlowSampler: TypeAlias = Literal["flow_euler", "flow_heun", "dpmpp_2m", "unipc"]
"""Samplers of models that predict flows."""

SamplerName: TypeAlias = Literal[NoiseSampler, FlowSampler]
"""Samplers by our names. Where `SamplerName | str` is accepted, so are the names of other programs."""

SpacingName: TypeAlias = Literal["leading", "linspace", "trailing"]
SigmasName: TypeAlias = Literal["karras", "exponential", "beta"]
NoiseName: TypeAlias = Literal["torch", "philox"]
OnOff: TypeAlias = Literal["on", "off"]
TargetName: TypeAlias = Literal[
    "auto", "tensorrt", "tensorrt-rtx", "ort-tensorrt", "ort-nv-rtx", "ort-cuda", "openvino-cpu", "ort-cpu"
]
"""Targets of `load`, which takes any text: programs read it from their settings. `auto` is the first that is valid."""

_STAND_INS = {"Image": type("Image", (), {"__module__": "PIL.Image"}), "Latents": type("Latents", (), {})}
"""Stand for classes where hints are read, so that the vocabulary stays light."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a generation.

    Args:
        help: One sentence, for the command line and for Python.
        more: Further sentences for Python's documentation.
        least: Least value of a number.
        most: Largest value of a number.
        expected: The range in words, for messages.
        default: The value if none was requested; None if `default_text` describes it.
        default_text: The default in words.
        flag: Name on the command line, if it differs.
        metavar: How the command line shows the value.
        example: A value as the command line reads it.
        name: Its key, filled in by the table.
        annotation: The type of its value, filled in by the table.
        choices: The values of a text if it has no others, filled in by the table from the type's `Literal`.
        type: Type of one value, filled in by the table: int, float, str, bool, tuple for an interval, Mapping for named
            numbers, or a class called Image or Latents.
        several: Whether one value per prompt or picture may be given, filled in by the table.
    """

    help: str
    more: str = ""
    least: float = -math.inf
    most: float = math.inf
    expected: str = ""
    default: int | str | bool | None = None
    default_text: str = ""
    flag: str = ""
    metavar: str = ""
    example: str = ""
    name: str = ""
    annotation: Any = None
    choices: tuple[str, ...] = ()
    type: Any = None
    several: bool = False

    @property
    def switch(self) -> str:
        """Its name on the command line: `--guidance-interval`."""
        return f"--{(self.flag or self.name).replace('_', '-')}"

    def words(self, value: Any) -> list[str]:
        """A value as the command line reads it: `--guidance-interval=0.28,5.42`."""
        if isinstance(value, Mapping):
            return [f"{self.switch}={name}={_join(numbers)}" for name, numbers in value.items()]
        if isinstance(value, bool):
            return [self.switch] if value else []
        return [f"{self.switch}={_join(value)}"]


def _join(value: Any) -> str:
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return ",".join(map(str, value)) if several else str(value)


def _share(help: str, **more: Any) -> Option:
    """A number from 0 to 1."""
    return Option(help=help, least=0, most=1, expected="0 to 1", **more)


def _side(name: str) -> Option:
    return Option(
        help=f"Picture {name} in pixels.",
        more="A run that starts from latents has their size, as latents are not resampled.",
        least=1,
        most=MAX_SIDE,
        default_text="that of the picture or latents to start from, else the bundle's",
    )


class DenoisingOptions(TypedDict, total=False):
    """The options of one model's part of a run: those of a `Stage`, and of `Pipeline.generate`. None is the default."""

    negative_prompt: Annotated[
        str | Sequence[str] | None,
        Option(
            help="What the picture should not show; read where guidance is above 1.",
            more="One for all prompts, or one per prompt.",
            default_text="the bundle's: an empty prompt, or none",
        ),
    ]
    seed: Annotated[
        int | Sequence[int] | None,
        Option(
            help="Seed of the noise: the same seed gives the same picture. Several pictures have seeds that follow it.",
            more="Or one seed per picture. So every picture can be made again alone, with its own seed. `batch_seed` "
            "does what diffusers does with one `torch.Generator`.",
            default_text="a random one (also -1), which the result names",
        ),
    ]
    steps: Annotated[
        int | Sequence[int] | None,
        Option(
            help="Denoising steps.",
            more="One number, or one per picture.",
            least=1,
            most=MAX_STEPS,
            default_text="the bundle's",
        ),
    ]
    guidance: Annotated[
        float | Sequence[float] | None,
        Option(
            help="Guidance scale; 1 or less turns classifier-free guidance off and halves the work.",
            more="One number, or one per picture. A guidance-distilled model reads it as an input; an unguided model "
            "ignores it.",
            least=0,
            most=1000,
            expected="0 to 1000 (1 or less turns it off)",
            default_text="the bundle's",
        ),
    ]
    guidance_interval: Annotated[
        tuple[float, float] | None,
        Option(
            help="Noise levels between which guidance is applied; steps outside of them cost half.",
            more="A pair such as `(0.28, 5.42)`: `low < sigma <= high`, in the unit of Kynkäänniemi et al. 2024, the "
            "ratio of noise to signal before a call of the network.",
            metavar="LOW,HIGH",
            example="0.28,5.42",
            default_text="all noise levels",
        ),
    ]
    step_cache: Annotated[
        int | None,
        Option(
            help="Run the whole denoiser on every N-th step and a shallow one between; 1 always runs the whole one.",
            more="The shallow one reuses an earlier output of the deep layers (Ma et al. 2024). Needs a bundle that "
            "was exported with it.",
            least=1,
            most=1000,
            metavar="N",
            default_text="1, or more if the bundle was measured to lose no quality by it",
        ),
    ]
    sampler: Annotated[
        SamplerName | str | Sequence[SamplerName | str] | None,
        Option(
            help=f"Sampler: {', '.join(get_args(NoiseSampler))}; for flow-matching models "
            f"{', '.join(get_args(FlowSampler))}. Other "
            "programs' names are accepted too, such as 'DPM++ 2M Karras' or euler_ancestral (docs/samplers.md).",
            more="One name, or one per picture.",
            default_text="the bundle's",
        ),
    ]
    spacing: Annotated[
        SpacingName | str | None,
        Option(help="Timestep spacing: leading, linspace or trailing.", default_text="the sampler's"),
    ]
    sigmas: Annotated[
        SigmasName | str | None,
        Option(
            help="Spacing of the noise levels: karras, exponential or beta.", default_text="the training schedule's"
        ),
    ]
    shift: Annotated[
        float | None,
        Option(
            help="Shift of the noise levels of a flow-matching model.",
            expected="a number above 0",
            default_text="the model's",
        ),
    ]
    eta: Annotated[
        float | None,
        Option(
            help="Share of fresh noise in each step of ddim and tcd, 0 to 1.",
            expected="0 to 1",
            default_text="the sampler's",
        ),
    ]
    width: Annotated[int | None, _side("width")]
    height: Annotated[int | None, _side("height")]
    strength: Annotated[
        float | None,
        _share(
            "How much noise is added to the picture or latents to start from, 0 to 1: the share of the steps that run.",
            default_text="0.8; 1 with a mask, or with a single step",
        ),
    ]
    denoising_start: Annotated[
        float | None,
        _share(
            "Share of the run that the latents to start from have already completed, 0 to 1.",
            more="No noise is added; if their noise level is known, it has to be the one that this run begins with.",
        ),
    ]
    denoising_end: Annotated[
        float | None,
        _share("Share of the run after which to stop, 0 to 1; another model of the same latent space can continue."),
    ]
    conditions: Annotated[
        Mapping[str, float | Sequence[float]] | None,
        Option(
            help="Further inputs of the model; `inspect` lists their names.",
            more='A mapping, as `{"original_size": (1024, 1024)}`; `negative_NAME` sets that of the negative prompt.',
            flag="condition",
            metavar="NAME=NUMBERS",
            example="original_size=1024,1024",
        ),
    ]


class CountOptions(TypedDict, total=False):
    """How many pictures. None is the default."""

    num_images: Annotated[int | None, Option(help="Pictures per prompt.", least=1, most=MAX_BATCH, default=1)]


class WarmUpOptions(CountOptions, total=False):
    """The options of `Pipeline.warm_up`. None is the default."""

    width: Annotated[int | None, _side("width")]
    height: Annotated[int | None, _side("height")]


class RunOptions(CountOptions, total=False):
    """The options of a whole run: those of `chain`, and of `Pipeline.generate`. None is the default."""

    batch_seed: Annotated[
        bool | None,
        Option(
            help="Draw the noise of all pictures from one generator, as diffusers does with one `torch.Generator`.",
            more="A picture then depends on the number of pictures before it, and is made again only with them.",
            default=False,
        ),
    ]
    noise: Annotated[
        NoiseName | None,
        Option(
            help="Noise generator: torch for the numbers of torch's CPU generator, or philox, the same on all devices.",
            default="torch",
        ),
    ]
    init_image: Annotated[
        Image | Sequence[Image] | None,
        Option(
            help="Picture to start from, resampled to the size of the run.",
            more="One, one per prompt, or one per picture; turned as its EXIF data say.",
        ),
    ]
    guard: Annotated[
        OnOff | None,
        Option(
            help="on checks what every stage wrote (docs/guards.md); off also returns latents and pictures that are "
            "not finite, out of range, flat or noise.",
            default="on",
        ),
    ]


class GenerateOptions(DenoisingOptions, RunOptions, total=False):
    """The options of `Pipeline.generate`. None is the default."""

    mask_image: Annotated[
        Image | Sequence[Image] | None,
        Option(
            help="Mask over the picture to start from: white where to paint, black where to keep.",
            more="Turned as its EXIF data say.",
        ),
    ]
    init_latents: Annotated[
        Latents | None,
        Option(
            help="Latents of this model's latent space to start from, instead of a picture.",
            more="Finished ones, or half-way ones with `denoising_start`.",
        ),
    ]
    decode: Annotated[
        bool | None, Option(help="Decode the latents to pictures; if False, the result has only latents.", default=True)
    ]


class StageOptions(DenoisingOptions, total=False):
    """The options of a `Stage`. None is the default."""

    prompt: Annotated[str | Sequence[str] | None, Option(help="What to draw.", default_text="the chain's prompt")]


def table(options: type) -> dict[str, Option]:
    """The options that a class above describes, by name, in its order."""
    hints = get_type_hints(options, localns=_STAND_INS, include_extras=True)
    return {name: _with_name(name, *get_args(hint)) for name, hint in hints.items()}


def _with_name(name: str, hint: Any, option: Option) -> Option:
    values = [kind for kind in get_args(hint) if get_origin(kind) is Literal]
    kinds = [str if kind in values else getattr(kind, "__origin__", kind) for kind in get_args(hint) or (hint,)]
    choices = () if str in get_args(hint) else tuple(value for kind in values for value in get_args(kind))
    return replace(option, name=name, annotation=hint, choices=choices, type=kinds[0], several=Sequence in kinds)


OPTIONS: Mapping[str, Option] = table(GenerateOptions)
"""All options of a generation."""


OTHER_NAMES: Mapping[str, str] = {
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "cfg_scale": "guidance",
    "cfg": "guidance",
    "num_images_per_prompt": "num_images",
    "image": "init_image",
    "latents": "init_latents",
    "denoising_strength": "strength",
    "generator": "seed",
    "sampler_name": "sampler",
    "scheduler": "sampler",
}
"""Names of options in other programs, and ours."""


def requested(
    options: Mapping[str, Any], known: Mapping[str, Option] = OPTIONS, function: str = "generate"
) -> dict[str, Any]:
    """The requested options: those that are not None.

    Args:
        options: Values by name.
        known: The existing options.
        function: Name of the function that takes them, for the message.

    Raises:
        TypeError: There is no such option; worded as Python's error for arguments.
    """
    for name in options:
        if name not in known:
            from difflib import get_close_matches

            near = [OTHER_NAMES[name]] if OTHER_NAMES.get(name) in known else get_close_matches(name, known, 1)
            meant = f". Did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{meant}")
    return {name: value for name, value in options.items() if value is not None}
