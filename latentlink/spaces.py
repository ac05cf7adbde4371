"""Latent spaces and text embeddings: what the numbers in a tensor mean, beyond its shape and dtype."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from latentlink.errors import SymbolError

NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
DIGEST = re.compile(r"[0-9a-f]{8}")
WEIGHTS = re.compile(r"[0-9a-f]{64}")


def digest(value: Mapping[str, Any]) -> str:
    """The first 8 hex digits of the SHA-256 of `value` as canonical JSON (sorted keys, shortest float form)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _check_record(record: Mapping[str, Any], cls: type) -> dict[str, Any]:
    known = {field.name for field in fields(cls)}
    if not isinstance(record, Mapping) or not set(record) <= known:
        raise SymbolError(f"A {cls.__name__} record has the keys {sorted(known)}, but {record!r} was given.")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}


def _check_name(name: object, what: str) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > 64:
        raise SymbolError(
            f"A {what} is named with lower-case letters and digits, joined by single '-', '_' or '.', "
            f"at most 64 long, but {name!r} was given."
        )


def _check_weights(weights: object) -> None:
    if weights is not None and not (isinstance(weights, str) and WEIGHTS.fullmatch(weights)):
        raise SymbolError(f"weights is a SHA-256 in 64 hex digits or None, but {weights!r} was given.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentSpace:
    """The meaning of a latent. The VAE's raw latent is `r = z / scaling * std + mean + shift`; z is the denoiser's.

    Args:
        name: Name as in the symbol, for example `sd`.
        channels: Channels of z.
        downscale: Picture pixels per latent element, along height and along width.
        scaling: `scaling_factor` of the VAE.
        shift: `shift_factor` of the VAE.
        mean: Per-channel mean of r, or None.
        std: Per-channel standard deviation of r, or None.
        patch: Side of the patches of r that were folded into channels before the affine map, so that channel
            `c * patch**2 + row * patch + column` is from that place in the patch (1: none).
        weights: For a space that is not in `KNOWN_SPACES`, the SHA-256 of the VAE encoder's weights (the
            encoder defines the space; decoders may be fine-tuned within it). None for known spaces.

    Raises:
        SymbolError: A value is out of range.
    """

    name: str
    channels: int
    downscale: int
    scaling: float = 1.0
    shift: float = 0.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    patch: int = 1
    weights: str | None = None

    def __post_init__(self) -> None:
        _check_name(self.name, "latent space")
        for what in ("channels", "downscale", "patch"):
            value = getattr(self, what)
            if type(value) is not int or not 1 <= value <= 4096:
                raise SymbolError(f"{what} of latent space {self.name!r} is 1 to 4096, but {value!r} was given.")
        for what in ("scaling", "shift"):
            value = getattr(self, what)
            if type(value) not in (int, float) or not math.isfinite(value):
                raise SymbolError(f"{what} of latent space {self.name!r} is a finite number, not {value!r}.")
            object.__setattr__(self, what, float(value))
        if self.scaling <= 0:
            raise SymbolError(f"scaling of latent space {self.name!r} is above 0, but {self.scaling!r} was given.")
        for what in ("mean", "std"):
            values = getattr(self, what)
            if values is None:
                continue
            if len(values) != self.channels or not all(
                type(v) in (int, float) and math.isfinite(v) and (what == "mean" or v > 0) for v in values
            ):
                raise SymbolError(f"{what} of latent space {self.name!r} is one number a channel, not {values!r}.")
            object.__setattr__(self, what, tuple(float(v) for v in values))
        _check_weights(self.weights)

    @property
    def unfolded(self) -> tuple[int, int]:
        """Channels and downscale before patches were folded into channels: those of the VAE's own output."""
        return self.channels // self.patch**2, self.downscale // self.patch

    @property
    def digest(self) -> str:
        """8 hex digits over the numbers that shape and dtype cannot show."""
        return digest(
            {
                "scaling": self.scaling,
                "shift": self.shift,
                "mean": self.mean,
                "std": self.std,
                "patch": self.patch,
                "weights": self.weights,
            }
        )

    def numbers(self) -> str:
        """The numbers as a person reads them: `4 channels, /8, scaling 0.18215`."""
        parts = [f"{self.channels} channels", f"/{self.downscale}", f"scaling {self.scaling:g}"]
        if self.shift:
            parts.append(f"shift {self.shift:g}")
        if self.mean is not None or self.std is not None:
            parts.append("per-channel mean and std")
        if self.patch > 1:
            parts.append(f"patch {self.patch}")
        if self.weights is not None:
            parts.append(f"VAE {self.weights[:8]}")
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """A record that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a record.

        Raises:
            SymbolError: It is not the record of a latent space.
        """
        try:
            return cls(**_check_record(record, cls))
        except TypeError as error:
            raise SymbolError(f"{record!r} is not the record of a latent space: {error}.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEmbedding:
    """The embedding that a text encoder writes and a denoiser reads.

    Args:
        name: Name as in the symbol, for example `clip_l`.
        width: Numbers per token.
        output: The encoder's output: `last`, `penultimate`, ..., or one vector per prompt: `pooled`, or `projected`,
            which is the pooled one after the encoder's projection.
        weights: SHA-256 of the encoder's weights if `name` is not a well-known encoder, else None.
    """

    name: str
    width: int
    output: str = "last"
    weights: str | None = None

    def __post_init__(self) -> None:
        _check_name(self.name, "text embedding")
        _check_name(self.output, "text encoder's output")
        if type(self.width) is not int or not 1 <= self.width <= 1 << 20:
            raise SymbolError(f"width of text embedding {self.name!r} is a positive integer, not {self.width!r}.")
        _check_weights(self.weights)

    @property
    def digest(self) -> str:
        """8 hex digits over what the width cannot show."""
        return digest({"output": self.output, "weights": self.weights})

    @property
    def pooled(self) -> bool:
        """Whether it is one vector per prompt, and not one per token."""
        return self.output in ("pooled", "projected")

    def numbers(self) -> str:
        """The numbers as a person reads them: `768 wide, last layer`."""
        tail = f", encoder {self.weights[:8]}" if self.weights else ""
        return f"{self.width} wide, {self.output}{'' if self.pooled else ' layer'}{tail}"

    def to_json(self) -> dict[str, Any]:
        """A record that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read a record.

        Raises:
            SymbolError: It is not the record of a text embedding.
        """
        try:
            return cls(**_check_record(record, cls))
        except TypeError as error:
            raise SymbolError(f"{record!r} is not the record of a text embedding: {error}.") from None


def _table(*spaces: LatentSpace) -> dict[str, LatentSpace]:
    return {space.name: space for space in spaces}


# FLUX.2's VAE stores its numbers as the statistics of a batch norm, in its weights and not in its config. These are the
# four decimals that stable-diffusion.cpp publishes (`get_latents_mean_std`).
# fmt: off
_FLUX2_MEAN = (
    -0.0676, -0.0715, -0.0753, -0.0745, 0.0223, 0.0180, 0.0142, 0.0184, -0.0001, -0.0063, -0.0002, -0.0031,
    -0.0272, -0.0281, -0.0276, -0.0290, -0.0769, -0.0672, -0.0902, -0.0892, 0.0168, 0.0152, 0.0079, 0.0086,
    0.0083, 0.0015, 0.0003, -0.0043, -0.0439, -0.0419, -0.0438, -0.0431, -0.0102, -0.0132, -0.0066, -0.0048,
    -0.0311, -0.0306, -0.0279, -0.0180, 0.0030, 0.0015, 0.0126, 0.0145, 0.0347, 0.0338, 0.0337, 0.0283,
    0.0020, 0.0047, 0.0047, 0.0050, 0.0123, 0.0081, 0.0081, 0.0146, 0.0681, 0.0679, 0.0767, 0.0732,
    -0.0462, -0.0474, -0.0392, -0.0511, -0.0528, -0.0477, -0.0470, -0.0517, -0.0317, -0.0316, -0.0345, -0.0283,
    0.0510, 0.0445, 0.0578, 0.0458, -0.0412, -0.0458, -0.0487, -0.0467, -0.0088, -0.0106, -0.0088, -0.0046,
    -0.0376, -0.0432, -0.0436, -0.0499, 0.0118, 0.0166, 0.0203, 0.0279, 0.0113, 0.0129, 0.0016, 0.0072,
    -0.0118, -0.0018, -0.0141, -0.0054, -0.0091, -0.0138, -0.0145, -0.0187, 0.0323, 0.0305, 0.0259, 0.0300,
    0.0540, 0.0614, 0.0495, 0.0590, -0.0511, -0.0603, -0.0478, -0.0524, -0.0227, -0.0274, -0.0154, -0.0255,
    -0.0572, -0.0565, -0.0518, -0.0496, 0.0116, 0.0054, 0.0163, 0.0104,
)
_FLUX2_STD = (
    1.8029, 1.7786, 1.7868, 1.7837, 1.7717, 1.7590, 1.7610, 1.7479, 1.7336, 1.7373, 1.7340, 1.7343,
    1.8626, 1.8527, 1.8629, 1.8589, 1.7593, 1.7526, 1.7556, 1.7583, 1.7363, 1.7400, 1.7355, 1.7394,
    1.7342, 1.7246, 1.7392, 1.7304, 1.7551, 1.7513, 1.7559, 1.7488, 1.8449, 1.8454, 1.8550, 1.8535,
    1.8240, 1.7813, 1.7854, 1.7945, 1.8047, 1.7876, 1.7695, 1.7676, 1.7782, 1.7667, 1.7925, 1.7848,
    1.7579, 1.7407, 1.7483, 1.7368, 1.7961, 1.7998, 1.7920, 1.7925, 1.7780, 1.7747, 1.7727, 1.7749,
    1.7526, 1.7447, 1.7657, 1.7495, 1.7775, 1.7720, 1.7813, 1.7813, 1.8162, 1.8013, 1.8023, 1.8033,
    1.7527, 1.7331, 1.7563, 1.7482, 1.7610, 1.7507, 1.7681, 1.7613, 1.7665, 1.7545, 1.7828, 1.7726,
    1.7896, 1.7999, 1.7864, 1.7760, 1.7613, 1.7625, 1.7560, 1.7577, 1.7783, 1.7671, 1.7810, 1.7799,
    1.7201, 1.7068, 1.7265, 1.7091, 1.7793, 1.7578, 1.7502, 1.7455, 1.7587, 1.7500, 1.7525, 1.7362,
    1.7616, 1.7572, 1.7444, 1.7430, 1.7509, 1.7610, 1.7634, 1.7612, 1.7254, 1.7135, 1.7321, 1.7226,
    1.7664, 1.7624, 1.7718, 1.7664, 1.7457, 1.7441, 1.7569, 1.7530,
)
_WAN21_MEAN = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632,
    -0.1922, -0.9497, 0.2503, -0.2921,
)
_WAN21_STD = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579,
    1.6382, 1.1253, 2.8251, 1.9160,
)
# fmt: on

# Numbers from the VAE configs of the published checkpoints.
KNOWN_SPACES: Mapping[str, LatentSpace] = _table(
    LatentSpace(name="sd", channels=4, downscale=8, scaling=0.18215),
    LatentSpace(name="sdxl", channels=4, downscale=8, scaling=0.13025),
    LatentSpace(
        name="playground-v2.5",
        channels=4,
        downscale=8,
        scaling=0.5,
        mean=(-1.6574, 1.886, -1.383, 2.5155),
        std=(8.4927, 5.9022, 6.5498, 5.2299),
    ),
    LatentSpace(name="sd-x4-upscaler", channels=4, downscale=4, scaling=0.08333),
    LatentSpace(name="sd3", channels=16, downscale=8, scaling=1.5305, shift=0.0609),
    LatentSpace(name="flux1", channels=16, downscale=8, scaling=0.3611, shift=0.1159),
    LatentSpace(name="flux2", channels=128, downscale=16, mean=_FLUX2_MEAN, std=_FLUX2_STD, patch=2),
    LatentSpace(name="movq", channels=4, downscale=8),
    LatentSpace(name="cascade-b", channels=4, downscale=4, scaling=1 / 0.3764),
    LatentSpace(name="dcae-f32c32", channels=32, downscale=32, scaling=0.41407),
    LatentSpace(
        name="wan21",
        channels=16,
        downscale=8,
        mean=_WAN21_MEAN,
        std=_WAN21_STD,
    ),
    LatentSpace(name="hunyuan-image-2.1", channels=64, downscale=32, scaling=0.75289),
)
