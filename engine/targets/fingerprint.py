"""The fingerprint: what an engine depends on, and whether a machine has it, checked without opening the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from latentlink.engine.bundle import REMEDY, EngineEntry, Fact
from latentlink.engine.targets.machine import Gpu, Machine, this_machine
from latentlink.engine.targets.table import REFERENCE_TARGET, TARGETS, Package, Target
from latentlink.spaces import digest

DAMAGED = "fingerprint"
"""Code of a fingerprint that was edited: it is valid on no machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why an engine cannot run on a machine.

    Args:
        code: `unknown-target`, `fingerprint`, `no-runtime`, `runtime-version`, `system`, `architecture`, `processor`,
            `no-device`, `compute-capability` or `driver`.
        needed: What the engine is valid for.
        found: What the machine has.
        remedy: What to do.
    """

    code: str
    needed: str
    found: str
    remedy: str

    def reason(self) -> str:
        """Without the remedy: `engine valid for compute capability 8.0-12.x, this machine has no CUDA device`."""
        return f"engine valid for {self.needed}, this machine has {self.found} ({self.code})"

    def __str__(self) -> str:
        return f"{self.reason()}. {self.remedy}"


def make_fingerprint(*, target: str, facts: Mapping[str, Fact], machine: Machine | None = None) -> dict[str, Fact]:
    """Make the fingerprint of an engine: facts, builder, machine, and a digest of all of these.

    Args:
        target: The engine's target.
        facts: Further facts: digests of the source graph with its weights, of the ports and of the sizes; the
            precision; the builder's options; `runtime`, the packages that it needs with their releases, if these are
            not the installed ones. For GPU engines also `compute_capability`, a list such as `8.6` or
            `8.0-12.x`, and `cuda`, the least CUDA version of the driver.
        machine: The building machine; None for this one.
    """
    machine = machine or this_machine()
    whole: dict[str, Fact] = {
        "runtime": tuple(_installed(package, machine) for package in TARGETS[target].packages),
        **facts,
        "target": target,
        "architecture": machine.architecture,
        "os": machine.os,
    }
    return whole | {"digest": digest(whole)}


def _installed(package: Package, machine: Machine) -> str:
    """A package with its version; without it if the package is not installed, as the build did not need it."""
    version = machine.version(package)
    return package.title if version is None else f"{package.title} {version}"


def preflight(engine: EngineEntry, machine: Machine | None = None) -> Finding | None:
    """Why an engine cannot run on a machine; None if it can.

    Args:
        engine: Its record in the manifest.
        machine: The machine; None for this one.
    """
    target = TARGETS.get(engine.target)
    if target is None:
        return Finding(
            code="unknown-target",
            needed=f"a latentlink that knows the target {engine.target}",
            found=f"one that knows {', '.join(TARGETS)}",
            remedy="Update latentlink, or build the bundle for one of these targets.",
        )
    if not _is_intact(engine):
        return Finding(
            code=DAMAGED,
            needed="a machine that cannot be known, as its fingerprint was edited",
            found="no way to check it",
            remedy=REMEDY,
        )
    machine = machine or this_machine()
    return next((finding for check in CHECKS for finding in check(engine, target, machine)), None)


def _is_intact(engine: EngineEntry) -> bool:
    """Whether a fingerprint agrees with its digest and with the engine's record, and its facts can be parsed."""
    facts = dict(engine.fingerprint)
    if facts.pop("digest", None) != digest(facts):
        return False
    record = {
        "target": engine.target,
        "precision": engine.precision,
        "limits": digest(engine.limits),
    }
    kinds = facts.get("compute_capability", ())
    return (
        "target" in facts
        and all(facts.get(key, value) == value for key, value in record.items())
        and isinstance(kinds, tuple)
        and all(CAPABILITIES.fullmatch(kind) for kind in kinds)
        and bool(re.fullmatch(r"\d{1,3}\.\d{1,3}", str(facts.get("cuda", "0.0"))))
    )


CAPABILITIES = re.compile(r"\d{1,3}\.\d(-\d{1,3}\.[\dx])?")
"""A compute capability, or a range of them."""


def rebuild(engine: EngineEntry, options: str = "") -> str:
    """The remedy if only another engine helps."""
    return f"Build it again: latentlink build EXPORTED BUNDLE --target {engine.target}{options}."


def _packages(engine: EngineEntry, target: Target, machine: Machine) -> Iterator[Finding]:
    built = engine.fingerprint.get("runtime")
    for package, text in zip(target.packages, built if isinstance(built, tuple) else (), strict=False):
        needed = text.removeprefix(package.title).strip()
        found = machine.version(package)
        wanted = text + ("" if package.pin or not needed else " or later")
        if found is None:
            yield Finding(
                code="no-runtime", needed=wanted, found="none", remedy=f"Install it: {_pinned(package, needed)}."
            )
        elif not _opens(package, found, needed):
            yield Finding(
                code="runtime-version",
                needed=wanted,
                found=f"{package.title} {found}",
                remedy=f"Install that one: {_pinned(package, needed)}. Or: {rebuild(engine)}",
            )
    for package in target.runtime_packages:
        if machine.version(package) is None:
            yield Finding(
                code="no-runtime", needed=package.title, found="none", remedy=f"Install it: {package.install}."
            )


def _opens(package: Package, found: str, needed: str) -> bool:
    """Whether an installed version opens engines that another version built."""
    if package.pin:
        return found == needed
    return _release(found) >= _release(needed)


def _pinned(package: Package, version: str) -> str:
    return package.pin.format(version) if package.pin and version else package.install


def _system(engine: EngineEntry, target: Target, machine: Machine) -> Iterator[Finding]:
    if not target.gpu:  # its graph was optimised by rules that are valid on any processor
        return
    built = str(engine.fingerprint.get("architecture"))
    if target.profiles and machine.architecture != built:
        yield Finding(
            code="architecture",
            needed=f"{built} processors",
            found=machine.architecture,
            remedy=f"{rebuild(engine)[:-1]}, on such a machine.",
        )
    built = str(engine.fingerprint.get("os"))
    if not target.systems and machine.os != built:
        yield Finding(
            code="system", needed=built, found=machine.os, remedy=f"{rebuild(engine)[:-1]}, on such a machine."
        )


def _processor(engine: EngineEntry, target: Target, machine: Machine) -> Iterator[Finding]:
    needed = target.instructions.get(engine.precision, ())
    if needed and not machine.instructions & {*needed}:
        yield Finding(
            code="processor",
            needed=f"processors that compute in {engine.precision} ({' or '.join(needed)})",
            found=f"{machine.processor or 'one'} without",
            remedy=rebuild(engine, " --precision fp32"),
        )


def _gpu(engine: EngineEntry, target: Target, machine: Machine) -> Iterator[Finding]:
    if not target.gpu:
        return
    listed = engine.fingerprint.get("compute_capability")
    capabilities = listed if isinstance(listed, tuple) else ()
    needed = f"compute capability {' or '.join(capabilities)}" if capabilities else "an NVIDIA GPU"
    if not machine.gpus:
        yield Finding(
            code="no-device",
            needed=needed,
            found="no CUDA device",
            remedy="Run it on a machine with such a GPU and its driver, or build the bundle for the CPU too: "
            f"latentlink build EXPORTED BUNDLE --target {engine.target} --target {REFERENCE_TARGET}.",
        )
        return
    gpu = machine.gpus[0]
    if capabilities and not any(covers(text, gpu.capability) for text in capabilities):
        yield Finding(code="compute-capability", needed=needed, found=_gpu_title(gpu), remedy=_rebuild_for(engine, gpu))
    cuda = engine.fingerprint.get("cuda")
    if isinstance(cuda, str) and (machine.driver is None or machine.driver < _release(cuda)):
        found = "none" if machine.driver is None else "one for CUDA {}.{}".format(*machine.driver)
        yield Finding(
            code="driver",
            needed=f"a driver for CUDA {cuda} or later",
            found=found,
            remedy="Update the NVIDIA driver.",
        )


def covers(text: str, capability: tuple[int, int]) -> bool:
    """Whether a compute capability is the given one (`8.6`), or in the given range (`8.0-12.x`)."""
    first, _, last = text.partition("-")
    low = _numbers(first)
    if not last:
        return capability == low
    return low <= capability <= _numbers(last)


def _numbers(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), 99 if minor == "x" else int(minor or 0)


def _gpu_title(gpu: Gpu) -> str:
    return "{} with {}.{}".format(gpu.name, *gpu.capability)


def _rebuild_for(engine: EngineEntry, gpu: Gpu) -> str:
    """The command that builds for this GPU."""
    target, kind = TARGETS[engine.target], "{}.{}".format(*gpu.capability)
    if target.local:
        return rebuild(engine)
    if kind in target.kinds:
        return rebuild(engine, f" --compute-capability {kind}")
    return "Build it for a target that has this GPU: latentlink build EXPORTED BUNDLE --target tensorrt."


def _release(version: str) -> tuple[int, int]:
    """Major and minor number of a version; parts that are no numbers count as 0."""
    major, minor, *_ = (
        int(part) if re.fullmatch(r"[0-9]{1,9}", part) else 0 for part in [*version.split("."), "0", "0"]
    )
    return major, minor


CHECKS: tuple[Callable[[EngineEntry, Target, Machine], Iterator[Finding]], ...] = (_system, _processor, _gpu, _packages)
"""Checks in order: the first finding is reported."""
