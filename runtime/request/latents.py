"""Latents as values and as files: the array never travels without its space and its noise level."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from latentlink.checks import check_input, instance, path_of, shown
from latentlink.errors import LinkError, SymbolError, UsageError
from latentlink.files import atomic_file
from latentlink.ports import latent_port
from latentlink.runtime.samplers.solvers.table import CLEAN, Level
from latentlink.spaces import LatentSpace

KEY = "latent"
NAMES = (KEY, "latents")
"""Names of the tensor to read from another program's file that holds several."""

PREFIX = "latentlink."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Latents:
    """Latents of a batch.

    Args:
        array: float32 or float16 `[B, channels, h, w]`, as the denoiser writes them (scaled, unpacked).
        space: The latent space, which says what the numbers mean.
        level: Noise level (signal, noise): `(1.0, 0.0)` for a finished picture, another one if a run stopped half way;
            None if it is unknown, as for a tensor that another program wrote.
        file: The file that they were read from, for messages.
    """

    array: NDArray[np.floating]
    space: LatentSpace
    level: Level | None = CLEAN
    file: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.array, np.ndarray) or not isinstance(self.space, LatentSpace):
            raise UsageError(
                f"Received Latents of {type(self.array).__name__} and {type(self.space).__name__}; expected a numpy "
                "array and a LatentSpace."
            )
        shape = self.array.shape
        fits = len(shape) == 4 and shape[1] == self.space.channels and min(shape) > 0
        if not fits or self.array.dtype not in (np.float32, np.float16):
            raise UsageError(
                f"Latents of {self.space.name!r} are float32 or float16 [B, {self.space.channels}, h, w], "
                f"none of them 0, but {self.array.dtype} {list(shape)} was given."
            )
        if self.level is not None:
            object.__setattr__(self, "level", _level(self.level))

    def __repr__(self) -> str:
        state = "noise level unknown" if self.level is None else "half way" if self.half_way else "finished"
        return f"<Latents {list(self.array.shape)} {self.array.dtype} of space {self.space.name!r}, {state}>"

    @property
    def half_way(self) -> bool:
        """Whether they are known to hold noise, which another run has to remove."""
        return self.level is not None and self.level != CLEAN

    @property
    def symbol(self) -> str:
        """The symbol of the port that these latents fit."""
        return latent_port(self.space, str(self.array.dtype)).symbol

    def save(self, path: str | Path) -> None:
        """Write a safetensors file with the symbol, the space's numbers and the level in its metadata. Atomic."""
        metadata = {f"{PREFIX}symbol": self.symbol, f"{PREFIX}space": json.dumps(self.space.to_json())}
        if self.level != CLEAN:
            metadata[f"{PREFIX}level"] = json.dumps(self.level)
        file = path_of("path", path)
        data = save({KEY: np.ascontiguousarray(self.array)}, metadata=metadata)
        with atomic_file(file) as part:
            part.write_bytes(data)

    @classmethod
    def load(cls, path: str | Path, *, space: LatentSpace | None = None) -> Latents:
        """Read a file that `save` wrote, or a tensor that another program wrote.

        Args:
            path: A safetensors file. A file without this program's metadata has to hold a single tensor, or one named
                `latent` or `latents`: float32 or float16 `[B, channels, h, w]` or `[channels, h, w]`. Its noise level
                is unknown then.
            space: The latent space. Required if the file does not record it; otherwise both have to agree.

        Raises:
            UsageError: It is not such a file, its metadata contradicts itself or `space`, or the space is unknown.
        """
        path = path_of("path", path)
        if space is not None:
            instance("space", space, LatentSpace, "latentlink.KNOWN_SPACES has the published ones.")
        check_input(path, "a latents file")
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = {k: v for k, v in (file.metadata() or {}).items() if k.startswith(PREFIX)}
                array = file.get_tensor(KEY if metadata else _only_tensor(path, list(file.keys())))
        except (TypeError, AttributeError) as error:
            raise UsageError(
                f"{str(path)!r} holds numbers that numpy does not read ({error}); expected float32 or float16.",
                remedy="Convert them with the program that wrote them.",
            ) from None
        except (SafetensorError, OSError) as error:
            raise UsageError(
                f"{str(path)!r} is not a latents file: expected safetensors with a tensor {KEY!r} ({error}).",
                remedy="latentlink generate --output-latents FILE writes one.",
            ) from None
        if metadata:
            return _from_metadata(path, array, metadata, space)
        if space is None:
            raise UsageError(
                f"{str(path)!r} does not say which latent space it is in.",
                remedy="Name it, if you know it, by space=NAME: the space of the model that made them.",
            )
        try:
            return cls(array=array[None] if array.ndim == 3 else array, space=space, level=None, file=str(path))
        except UsageError as error:
            raise UsageError(f"{str(path)!r} does not fit the latent space {space.name!r}. {error.message}") from None


def check_latents(latents: object, space: LatentSpace, reader: str) -> Latents:
    """Check that a value is latents of a space, with finite numbers.

    Args:
        latents: Any value.
        space: The expected latent space.
        reader: Name of the bundle that is to read them.

    Returns:
        The latents.

    Raises:
        LinkError: They are of another space.
        UsageError: The value is not latents, or holds numbers that are not finite.
    """
    if not isinstance(latents, Latents):
        raise UsageError(
            f"Received {type(latents).__name__} for latents; expected latentlink.Latents.",
            remedy="Latents(array=..., space=...) says which space an array is in.",
        )
    if latents.space != space:
        ours, theirs = space.to_json(), latents.space.to_json()
        differ = ", ".join(key for key in ours if ours[key] != theirs[key])
        whose = "these latents are" if latents.file is None else f"{latents.file} is"
        source = f'a bundle of space "{latents.space.name}"'
        move = (
            f"Move them over, with {source} as BUNDLE: latentlink transfer {latents.file or 'LATENTS'} --from BUNDLE "
            f"--to {reader} -o OUT."
        )
        raise LinkError(
            f'{reader} reads latent space "{space.name}" ({space.numbers()}), but {whose} of "{latents.space.name}" '
            f"({latents.space.numbers()}), which differs in {differ}.",
            remedy=f"They are half way and cannot be moved: finish them with {source}." if latents.half_way else move,
        )
    bad = np.count_nonzero(~np.isfinite(latents.array))
    if bad:
        raise UsageError(f"The latents hold {bad} values that are not finite; expected numbers.")
    return latents


def _level(value: object) -> Level:
    """Check a noise level; returns it as two floats."""
    signal = noise = math.nan
    if isinstance(value, list | tuple) and len(value) == 2:
        with suppress(TypeError, ValueError, OverflowError):
            signal, noise = map(float, value)
    if not (0 <= signal < math.inf and 0 <= noise < math.inf and signal + noise > 0):
        raise UsageError(
            f"The noise level of the latents is {shown(value)}; expected (signal, noise), two finite numbers from 0, "
            "not both 0, or None."
        )
    return signal, noise


def _only_tensor(path: str | Path, names: list[str]) -> str:
    """Name of the one tensor of a file that can be the latents."""
    found = names if len(names) == 1 else [name for name in names if name in NAMES]
    if len(found) != 1:
        some = f" ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})" if names else ""
        raise UsageError(
            f"{str(path)!r} is not a latents file: it holds {len(names)} tensors{some}; expected one, or one that is "
            f"named {' or '.join(NAMES)}."
        )
    return found[0]


def _from_metadata(
    path: str | Path, array: NDArray[np.floating], metadata: dict[str, str], expected: LatentSpace | None
) -> Latents:
    """Latents of a file whose metadata records their space; `expected` is the space that the user named, if any."""
    try:
        space = LatentSpace.from_json(json.loads(metadata[f"{PREFIX}space"]))
        level = json.loads(metadata[f"{PREFIX}level"]) if f"{PREFIX}level" in metadata else CLEAN
        latents = Latents(array=array, space=space, level=level, file=str(path))
    except (KeyError, ValueError, SymbolError, OverflowError, RecursionError) as error:
        raise UsageError(f"{str(path)!r} does not say which latent space it is in ({error}).") from None
    if latents.symbol != metadata.get(f"{PREFIX}symbol"):
        raise UsageError(
            f"{str(path)!r} carries the symbol {metadata.get(f'{PREFIX}symbol')!r}, but its tensor and numbers "
            f"make {latents.symbol!r}: the file was edited."
        )
    if expected is not None and expected != space:
        raise UsageError(
            f'{str(path)!r} is of latent space "{space.name}" ({space.numbers()}), and not of "{expected.name}" '
            f"({expected.numbers()}).",
            remedy="Leave space out: the file records it.",
        )
    return latents
