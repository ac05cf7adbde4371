"""The kinds of input that are mutated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

from latentlink.errors import ExitStatus

Named: TypeAlias = tuple[str, str]
"""Module and name of a function, which is imported when it is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of input.

    Args:
        name: Its name.
        make: Makes the valid input: `(Material, Path)`, a folder to fill with one folder for each valid input.
        mutate: Changes a copy of one; see `mutations.mutation.Mutate`.
        attempt: Uses it by the API, and returns the pictures that it makes.
        command: The arguments by which the command line uses it: `(Path, int)`.
        right: Exit statuses that a changed input may end with.
        needs: Packages that the base install lacks for it.
        seconds: Seconds of processor time that nothing takes honestly.
        command_seconds: The same by the command line, which does more of some work.
        every: One job in so many is tried through the command line.
    """

    name: str
    make: Named
    mutate: Named
    attempt: Named
    command: Named
    right: frozenset[ExitStatus]
    needs: tuple[str, ...] = ()
    seconds: float = 20.0
    command_seconds: float = 20.0
    every: int = 10

    def limit(self, command_line: bool) -> float:
        """Seconds of processor time of a job."""
        return self.command_seconds if command_line else self.seconds

    def missing(self) -> str | None:
        """The package that this machine lacks for it; None if it can be tried."""
        return next((name for name in self.needs if find_spec(name) is None), None)


def imported(function: Named) -> Callable[..., Any]:
    """The function of that name."""
    found: Callable[..., Any] = getattr(import_module(function[0]), function[1])
    return found


_MATERIAL, _ATTEMPTS = "latentlink.bench.fuzz.material", "latentlink.bench.fuzz.attempts"
_MUTATIONS = "latentlink.bench.fuzz.mutations"

_BUNDLE = partial(
    Kind,
    make=(_MATERIAL, "make_bundle"),
    attempt=(_ATTEMPTS, "draw"),
    command=(_ATTEMPTS, "bundle_command"),
    right=frozenset({
        ExitStatus.DONE, ExitStatus.LINK_REFUSED, ExitStatus.BUNDLE_DAMAGED, ExitStatus.ENGINE_NOT_VALID_HERE,
        ExitStatus.OUTPUT_FAILED_GUARD,
    }),
)  # fmt: skip
_FILE = partial(
    Kind,
    right=frozenset({ExitStatus.DONE, ExitStatus.USAGE, ExitStatus.LINK_REFUSED, ExitStatus.OUTPUT_FAILED_GUARD}),
)
_CHECKPOINT = partial(
    Kind,
    attempt=(_ATTEMPTS, "read_checkpoint"),
    command=(_ATTEMPTS, "export_command"),
    right=frozenset({ExitStatus.DONE, ExitStatus.USAGE}),
    needs=("torch",),
    command_seconds=240.0,  # a whole export
    every=20,
)

_ALL = (
    _BUNDLE(name="manifest", mutate=(f"{_MUTATIONS}.manifest", "mutate_manifest")),
    _BUNDLE(name="probes", mutate=(f"{_MUTATIONS}.probes", "mutate_probes")),
    _BUNDLE(name="tokenizer", mutate=(f"{_MUTATIONS}.tokenizer", "mutate_tokenizer")),
    _BUNDLE(name="onnx", mutate=(f"{_MUTATIONS}.onnx_graph", "mutate_onnx"), needs=("onnx",)),
    _BUNDLE(
        name="openvino",
        make=(_MATERIAL, "make_openvino"),
        mutate=(f"{_MUTATIONS}.openvino_xml", "mutate_openvino"),
        attempt=(_ATTEMPTS, "decode"),
        command=(_ATTEMPTS, "decoder_command"),
        needs=("openvino", "torch"),
    ),
    _FILE(
        name="latents",
        make=(_MATERIAL, "make_latents"),
        mutate=(f"{_MUTATIONS}.latents", "mutate_latents"),
        attempt=(_ATTEMPTS, "start_from_latents"),
        command=(_ATTEMPTS, "latents_command"),
    ),
    _FILE(
        name="picture",
        make=(_MATERIAL, "make_pictures"),
        mutate=(f"{_MUTATIONS}.pictures", "mutate_picture"),
        attempt=(_ATTEMPTS, "start_from_picture"),
        command=(_ATTEMPTS, "picture_command"),
        every=3,
    ),
    _FILE(
        name="record",
        make=(_MATERIAL, "make_record"),
        mutate=(f"{_MUTATIONS}.records", "mutate_record"),
        attempt=(_ATTEMPTS, "read_record"),
        command=(_ATTEMPTS, "record_command"),
        every=3,
    ),
    _CHECKPOINT(
        name="config", make=(_MATERIAL, "make_configs"), mutate=(f"{_MUTATIONS}.checkpoints", "mutate_configs")
    ),
    _CHECKPOINT(
        name="single-file",
        make=(_MATERIAL, "make_single_files"),
        mutate=(f"{_MUTATIONS}.checkpoints", "mutate_single_file"),
        attempt=(_ATTEMPTS, "read_single_file"),
    ),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
"""Kinds by name."""
