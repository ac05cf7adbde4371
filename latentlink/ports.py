"""Ports and symbols: the typed inputs and outputs of an engine, and the tensor names that carry the types.

A symbol is `kind__name__layout__dtype__digest`, for example `latent__sd__c4_f8__float32__1f0c9a2e`. Two ports
connect if their symbols are equal. One engine may have several ports of one symbol; a sixth part, the slot,
distinguishes them: `latent__sd__c4_f8__float32__1f0c9a2e__noise`. The slot is not part of the symbol.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from latentlink.errors import SymbolError
from latentlink.spaces import DIGEST, NAME, LatentSpace, TextEmbedding, digest

Dim: TypeAlias = int | str
"""One dimension of a port's shape: a fixed size, or the name of a free one."""

KINDS = ("latent", "text", "image", "tokens", "coefficients", "guidance", "mask", "condition", "feature")
DTYPES = ("float32", "float16", "bfloat16", "uint8", "int32", "int64")
LAYOUT = re.compile(r"[a-z][1-9][0-9]{0,8}(_[a-z][1-9][0-9]{0,8})*")

COEFFICIENTS = ("t", "c_in", "p", "q", "a", "b0", "b1", "b2", "b3", "b4", "c", "own", "keep", "init", "renoise")
"""Columns of a step's row:

    y  = x + (1 - mask) * ((keep - 1)*x + init*z + renoise*e)      z: a picture's latent, e: its noise
    D  = p*y + q*model(c_in*y, t)
    x' = a*y + own*x + b0*D + b1*D1 + .. + b4*D4 + c*noise

Without blending, keep is 1 and own, init and renoise are 0, so that y is x."""

HISTORY = 4
"""Number of earlier Ds that a step can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One typed input or output of an engine.

    Args:
        kind: One of `KINDS`.
        name: The latent space, text embedding, tokenizer or convention that it belongs to.
        layout: Letters and sizes of its fixed properties, in order: `(("c", 4), ("f", 8))`.
        dtype: One of `DTYPES`.
        digest: 8 hex digits over what shape and dtype cannot show.
        slot: Distinguishes the engine's ports of one symbol; empty for the one that links.
        shape: The tensor's shape, free dimensions by name.

    Raises:
        SymbolError: A part cannot be written in a symbol.
    """

    kind: str
    name: str
    layout: tuple[tuple[str, int], ...]
    dtype: str
    digest: str
    slot: str = ""
    shape: tuple[Dim, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SymbolError(f"A port's kind is one of {', '.join(KINDS)}, not {self.kind!r}.")
        if not NAME.fullmatch(self.name):
            raise SymbolError(f"{self.name!r} cannot be a port's name: lower-case words joined by '-', '_' or '.'.")
        if self.dtype not in DTYPES:
            raise SymbolError(f"A port's dtype is one of {', '.join(DTYPES)}, not {self.dtype!r}.")
        if not LAYOUT.fullmatch(self._layout_text()):
            raise SymbolError(f"{self.layout!r} cannot be a port's layout: letters with positive sizes.")
        if not DIGEST.fullmatch(self.digest):
            raise SymbolError(f"A port's digest is 8 hex digits, not {self.digest!r}.")
        if self.slot and not re.fullmatch(r"[a-z]+[0-9]*", self.slot):
            raise SymbolError(f"A port's slot is a lower-case word, not {self.slot!r}.")

    def _layout_text(self) -> str:
        return "_".join(f"{letter}{size}" for letter, size in self.layout)

    @property
    def symbol(self) -> str:
        """The symbol, which must be equal for two ports to connect."""
        return "__".join((self.kind, self.name, self._layout_text(), self.dtype, self.digest))

    @property
    def tensor(self) -> str:
        """The tensor's name inside the engine: the symbol, and the slot if there is one."""
        return f"{self.symbol}__{self.slot}" if self.slot else self.symbol

    def size(self, letter: str) -> int:
        """The size that the layout gives `letter`."""
        for key, size in self.layout:
            if key == letter:
                return size
        raise SymbolError(f"{self.symbol} has no {letter!r} in its layout.")

    def at(self, slot: str) -> Self:
        """The same port in another slot."""
        return replace(self, slot=slot)

    @classmethod
    def parse(cls, tensor: str, shape: Sequence[Dim] = ()) -> Self:
        """Read a tensor's name back into a port.

        Raises:
            SymbolError: `tensor` cannot be the name of a port.
        """
        parts = tensor.split("__")
        if len(parts) not in (5, 6) or not LAYOUT.fullmatch(parts[2]) or (len(parts) == 6 and not parts[5]):
            raise SymbolError(
                f"{tensor!r} is not a symbol; expected kind__name__layout__dtype__digest, as in "
                "latent__sd__c4_f8__float32__1f0c9a2e."
            )
        return cls(
            kind=parts[0],
            name=parts[1],
            layout=tuple((item[0], int(item[1:])) for item in parts[2].split("_")),
            dtype=parts[3],
            digest=parts[4],
            slot=parts[5] if len(parts) == 6 else "",
            shape=tuple(shape),
        )


def latent_port(space: LatentSpace, dtype: str = "float32") -> Port:
    """A latent of `space`: `[B, channels, h, w]`, h and w in latent elements."""
    return Port(
        kind="latent",
        name=space.name,
        layout=(("c", space.channels), ("f", space.downscale)),
        dtype=dtype,
        digest=space.digest,
        shape=("B", space.channels, "h", "w"),
    )


def text_port(embedding: TextEmbedding, dtype: str = "float32", *, rows: str = "N", tokens: str = "S") -> Port:
    """Embeddings of prompts: `[N, S, width]`, N prompts (negative ones first) of S tokens; pooled ones `[N, width]`.

    Args:
        embedding: The text embedding.
        dtype: dtype of the tensor that passes between engines.
        rows: Name of the first dimension.
        tokens: Name of the second dimension; in one denoiser, encoders of different lengths need different names.
    """
    return Port(
        kind="text",
        name=embedding.name,
        layout=(("d", embedding.width),),
        dtype=dtype,
        digest=embedding.digest,
        shape=(rows, embedding.width) if embedding.pooled else (rows, tokens, embedding.width),
    )


def tokens_port(name: str, length: int, tokenizer_sha256: str) -> Port:
    """Token ids of prompts: int32 `[N, length]`; the digest is that of the tokenizer's `tokenizer.json`."""
    return Port(
        kind="tokens",
        name=name,
        layout=(("l", length),),
        dtype="int32",
        digest=tokenizer_sha256[:8],
        shape=("N", length),
    )


def image_port() -> Port:
    """8-bit sRGB pictures: uint8 `[B, H, W, 3]`, H and W in pixels, 0 to 255."""
    return Port(
        kind="image",
        name="srgb",
        layout=(("c", 3),),
        dtype="uint8",
        digest=digest({"order": "rgb", "range": [0, 255]}),
        shape=("B", "H", "W", 3),
    )


def mask_port(downscale: int) -> Port:
    """Where to paint, float32 0 or 1: `[B, 1, h, w]` beside latents, `[B, 1, H, W]` (downscale 1) beside pictures."""
    return Port(
        kind="mask",
        name="repaint",
        layout=(("f", downscale),),
        dtype="float32",
        digest=digest({"one": "repaint", "zero": "keep"}),
        shape=("B", 1, "H", "W") if downscale == 1 else ("B", 1, "h", "w"),
    )


def condition_port(name: str, size: int, *, rows: str = "N") -> Port:
    """Numbers that a denoiser was trained to read, such as the original picture's size: float32 `[N, size]`.

    The manifest has the defaults.
    """
    return Port(
        kind="condition",
        name=name,
        layout=(("k", size),),
        dtype="float32",
        digest=digest({"condition": name}),
        shape=(rows, size),
    )


def feature_port(channels: int, downscale: int, layers: int, digest: str, *, rows: str, dtype: str) -> Port:
    """Output of a denoiser's deep layers that later steps reuse: `[N, channels, h, w]`, one row per prediction.

    Args:
        channels: Channels of the feature.
        downscale: Pixels per element.
        layers: Number of layers of the last block, which read it.
        digest: Digest of the denoiser's weights and of the place in it.
        rows: Name of the first dimension.
        dtype: dtype of the tensor that passes between engines.
    """
    return Port(
        kind="feature",
        name="deep",
        layout=(("c", channels), ("f", downscale), ("k", layers)),
        dtype=dtype,
        digest=digest,
        shape=(rows, channels, "h", "w"),
    )


def coefficients_port() -> Port:
    """A step's row for each picture: float32 `[B, 15]`, columns as in `COEFFICIENTS`."""
    return Port(
        kind="coefficients",
        name="step",
        layout=(("k", len(COEFFICIENTS)),),
        dtype="float32",
        digest=digest({"columns": COEFFICIENTS}),
        shape=("B", len(COEFFICIENTS)),
    )


GUIDANCE = {
    "cfg": "uncond + w * (cond - uncond)",
    "embedded": "w is an input of the network",
}
"""How a denoiser is guided, by the name of its guidance port; an unguided one has no such port."""


def guidance_port(how: str = "cfg") -> Port:
    """Guidance scale w for each picture, float32 `[B]`.

    `cfg`: classifier-free guidance (Ho and Salimans, 2022), which reads two rows of text per picture if w is above 1.
    `embedded`: a guidance-distilled network reads w itself (Meng et al., 2023), and one row of text per picture.
    """
    return Port(
        kind="guidance",
        name=how,
        layout=(("k", 1),),
        dtype="float32",
        digest=digest({"formula": GUIDANCE[how]}),
        shape=("B",),
    )
