"""Latents as values and as files: the array never travels without its space."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from latentlink.engine.files import atomic_file
from latentlink.errors import SymbolError, UsageError
from latentlink.ports import latent_port
from latentlink.spaces import LatentSpace

KEY = "latent"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Latents:
    """Latents of a batch.

    Args:
        array: float32 or float16 `[B, channels, h, w]`, as the denoiser writes them (scaled, unpacked).
        space: What the numbers mean.
    """

    array: NDArray[np.floating]
    space: LatentSpace

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

    @property
    def symbol(self) -> str:
        """The symbol of the port that these latents fit."""
        return latent_port(self.space, str(self.array.dtype)).symbol

    def save(self, path: str | Path) -> None:
        """Write a safetensors file with the symbol and the space's numbers in its metadata. Atomic."""
        metadata = {"latentlink.symbol": self.symbol, "latentlink.space": json.dumps(self.space.to_json())}
        data = save({KEY: np.ascontiguousarray(self.array)}, metadata=metadata)
        with atomic_file(Path(path)) as part:
            part.write_bytes(data)

    @classmethod
    def load(cls, path: str | Path) -> Latents:
        """Read a file that `save` wrote.

        Raises:
            UsageError: It is not one, or its metadata contradicts itself.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                array = file.get_tensor(KEY)
        except FileNotFoundError:
            raise UsageError(f"There is no file {str(path)!r}.") from None
        except (SafetensorError, OSError) as error:
            raise UsageError(
                f"{str(path)!r} is not a latents file: expected safetensors with a tensor {KEY!r} ({error}).",
                remedy="latentlink generate --output-latents FILE writes one.",
            ) from None
        try:
            space = LatentSpace.from_json(json.loads(metadata["latentlink.space"]))
            latents = cls(array=array, space=space)
        except (KeyError, ValueError, SymbolError) as error:
            raise UsageError(f"{str(path)!r} does not say which latent space it is in ({error}).") from None
        if latents.symbol != metadata.get("latentlink.symbol"):
            raise UsageError(
                f"{str(path)!r} carries the symbol {metadata.get('latentlink.symbol')!r}, but its tensor and numbers "
                f"make {latents.symbol!r}: the file was edited."
            )
        return latents
