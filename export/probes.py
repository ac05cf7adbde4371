"""The probes of a bundle: golden inputs of every component, and its torch module's float32 outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from tokenizers import Tokenizer as Tokens
from torch import Tensor

from latentlink.engine.bundle import Probe, Probes, Sampling
from latentlink.export.graphs import DTYPES, Component, Tokenizer
from latentlink.export.probe_pictures import PATTERNS, draw_pattern
from latentlink.ports import COEFFICIENTS, Port

SIDE = 64
"""Picture side of the first probe in pixels, rounded up to the model's multiple; the second is twice as wide."""

PROMPTS = ("", "a red bicycle beside a white house", "Zwei Katzen, 3 Hunde: “größer” as e=mc², 速い & naïve!")
"""The empty prompt comes first: guidance compares with it."""

TOKENS = 16
"""Tokens of the golden embeddings that a denoiser reads: their number is free, and few keep a probe file small."""

TIMESTEPS = 1000
"""Timesteps of a training schedule that does not state them; every published schedule has this number."""

LEVELS: Mapping[str, float] = {"high": 0.9, "middle": 0.5, "low": 0.1}
"""Noise levels of the denoiser's probes, as shares of the training schedule."""


@dataclass(slots=True)
class Golden:
    """Outputs of earlier components on their golden inputs, which later components read.

    Args:
        sampling: The model's training schedule and defaults.
        latents: Outputs of the VAE encoder, by (height, width, pattern), sides in pixels.
        embeddings: Text embeddings by symbol: one `[L, D]`, or pooled `[D]`, for each of `PROMPTS`.
        features: Deep features of the denoiser, by noise level.
    """

    sampling: Sampling
    latents: dict[tuple[int, int, str], Tensor] = field(default_factory=dict)
    embeddings: dict[str, Tensor] = field(default_factory=dict)
    features: dict[str, Tensor] = field(default_factory=dict)

    def probes(self, component: Component, reference: str) -> Probes:
        """Run a component, in float32, on its golden inputs.

        Args:
            component: The component; its module is still in float32.
            reference: What computes the outputs, see `Parity.reference`.

        Raises:
            CheckpointError: It cannot compute them, see `Component.run`.
        """
        results = []
        for name, prompt, inputs in self._inputs(component):
            outputs = component.run(inputs)
            self._remember(component, name, inputs, outputs)
            results.append(
                Probe.from_outputs(
                    name=name,
                    prompt=prompt,
                    inputs={port.tensor: t.numpy() for port, t in zip(component.inputs, inputs, strict=True)},
                    outputs={port.tensor: t.numpy() for port, t in zip(component.outputs, outputs, strict=True)},
                )
            )
        denoises = any(port.kind == "coefficients" for port in component.inputs)
        training = self.sampling.training() if denoises else None
        return Probes(reference=reference, probes=tuple(results), training=training)

    def _inputs(self, component: Component) -> Iterator[tuple[str, str | None, tuple[Tensor, ...]]]:
        """Name, prompt and inputs of each probe."""
        kinds = {port.kind for port in component.inputs}
        if component.tokenizer is not None:
            for number, prompt in enumerate(PROMPTS):
                yield f"prompt-{number}", prompt, (_token_ids(component.tokenizer, prompt),)
        elif "coefficients" in kinds:
            for level, share in LEVELS.items():
                tensors = (
                    self.features[level] if port.kind == "feature" else self._denoised(port, share, component)
                    for port in component.inputs
                )
                yield level, None, tuple(tensors)
        else:
            for height, width in self._picture_sizes():
                for pattern in PATTERNS:
                    name = f"{pattern}-{width}x{height}"
                    yield name, None, tuple(self._of_picture(p, pattern, height, width) for p in component.inputs)

    def _picture_sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width in pixels, the smallest first."""
        side = self.sampling.size_multiple * math.ceil(SIDE / self.sampling.size_multiple)
        return (side, side), (side, 2 * side)

    def _of_picture(self, port: Port, pattern: str, height: int, width: int) -> Tensor:
        """An input of one of the VAE's halves."""
        if port.kind == "image":
            return torch.from_numpy(draw_pattern(pattern, height, width))[None]
        if port.kind == "mask":
            mask = torch.zeros(1, 1, height, width)
            mask[..., : height // 4, : width // 4] = float(pattern == "bars")
            return mask
        shape = (1, port.size("c"), height // port.size("f"), width // port.size("f"))
        if port.slot == "noise":  # the posterior's mode, apart from one pattern that shows its deviation
            return (_normal(shape) if pattern == "texture" else torch.zeros(shape)).to(DTYPES[port.dtype])
        unencoded = _normal(shape, [*PATTERNS].index(pattern))  # for a decoder whose encoder is not there
        return self.latents.get((height, width, pattern), unencoded).to(DTYPES[port.dtype])

    def _denoised(self, port: Port, share: float, component: Component) -> Tensor:
        """An input of the denoiser at a noise level: `cos*z + sin*noise`, its timestep, and a row of coefficients."""
        height, width = self._picture_sizes()[0]
        # the model's positions may reach no further than its default size
        height, width = min(height, self.sampling.height), min(width, self.sampling.width)
        guided = any(p.kind == "guidance" and p.name == "cfg" for p in component.inputs)
        if port.kind == "text":
            return self._text(port, guided)
        if port.kind == "latent":
            angle = share * math.pi / 2
            shape = (1, port.size("c"), height // port.size("f"), width // port.size("f"))
            whole = self.latents.get((*self._picture_sizes()[0], "edges"), _normal(shape, 1)).float()
            clean = whole[:, :, : shape[2], : shape[3]].contiguous()
            noise = _normal(shape, 2)
            mixed = {
                "x": math.cos(angle) * clean + math.sin(angle) * noise,
                "noise": _normal(shape, 3),
                "init": clean,
                "initnoise": noise,
                "masked": clean,
            }
            older = clean + 0.1 * _normal(shape, 4)  # predictions of earlier steps
            return mixed.get(port.slot, older).to(DTYPES[port.dtype])
        if port.kind == "mask":
            mask = torch.ones(1, 1, height // port.size("f"), width // port.size("f"))
            mask[..., : mask.shape[-1] // 2] = 0
            return mask
        sizes = {"B": 1, "N": 2 if guided else 1}
        example = component.example_of(port, sizes, torch.Generator().manual_seed(0))
        if port.kind == "coefficients":
            timesteps = self.sampling.schedule.get("num_train_timesteps")
            timesteps = timesteps if isinstance(timesteps, int) else TIMESTEPS
            example[:, COEFFICIENTS.index("t")] = round(share * (timesteps - 1))
        return example

    def _text(self, port: Port, guided: bool) -> Tensor:
        """Golden embeddings; with guidance, the empty prompt's first."""
        found = self.embeddings.get(port.symbol)
        if found is None:  # the encoder was left out
            found = _normal((len(PROMPTS), *((TOKENS,) if len(port.shape) == 3 else ()), port.size("d")))
        rows = found[:2] if guided else found[1:2]
        return (rows[:, :TOKENS] if rows.ndim == 3 else rows).to(DTYPES[port.dtype]).contiguous()

    def _remember(
        self, component: Component, name: str, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]
    ) -> None:
        if any(port.kind == "image" for port in component.inputs):
            height, width = inputs[0].shape[1:3]
            self.latents[height, width, name.split("-")[0]] = outputs[0].clone()
        for port, tensor in zip(component.outputs, outputs, strict=True):
            if port.kind == "feature":
                self.features[name] = tensor
            if port.kind == "text":
                earlier = [self.embeddings[port.symbol]] if name != "prompt-0" else []
                self.embeddings[port.symbol] = torch.cat([*earlier, tensor])


def _token_ids(tokenizer: Tokenizer, prompt: str) -> Tensor:
    """int32 `[1, L]`: start, the prompt's tokens as far as they fit, end, padding."""
    ids = Tokens.from_str(tokenizer.text).encode(prompt, add_special_tokens=False).ids
    start = [] if tokenizer.start_id is None else [tokenizer.start_id]
    end = [] if tokenizer.end_id is None else [tokenizer.end_id]
    row = [*start, *ids[: tokenizer.max_length - len(start) - len(end)], *end]
    row += [tokenizer.pad_id] * (tokenizer.max_length - len(row))
    return torch.tensor([row], dtype=torch.int32)


def _normal(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, np.float32))
