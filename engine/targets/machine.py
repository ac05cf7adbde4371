"""What this machine has: packages, operating system, GPUs and their driver. Nothing is imported or opened for it."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path

from latentlink.engine.targets.table import TARGETS, Package

LIBRARIES: Mapping[str, tuple[str, ...]] = {"linux": ("libcuda.so.1", "libcuda.so"), "win32": ("nvcuda.dll",)}
"""The driver's library by `sys.platform`."""

CPUINFO = Path("/proc/cpuinfo")

# CUdevice_attribute of cuda.h
_MAJOR, _MINOR = 75, 76


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """An NVIDIA GPU.

    Args:
        name: As its driver calls it.
        capability: Its compute capability, (major, minor).
        memory: Bytes.
    """

    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What engines can depend on.

    Args:
        os: `linux`, `windows`, `darwin`.
        architecture: Of the processor, as `x86_64`.
        driver: Newest CUDA version that the NVIDIA driver runs, (major, minor); None without a driver.
        gpus: The GPUs that this process may use; engines run on the first.
        versions: By distribution name, of those that are installed.
        processor: Name of the processor; empty where it is not told.
        instructions: Those of the processor that a target asks for, as Linux names them.
    """

    os: str
    architecture: str
    driver: tuple[int, int] | None = None
    gpus: tuple[Gpu, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    processor: str = ""
    instructions: frozenset[str] = frozenset()

    def version(self, package: Package) -> str | None:
        """Installed version of a package, or None."""
        return next((self.versions[name] for name in package.distributions if name in self.versions), None)


def this_machine() -> Machine:
    """The machine that this process runs on."""
    driver, gpus = _cuda()
    names = {
        name
        for target in TARGETS.values()
        for package in (*target.packages, *target.beside)
        for name in package.distributions
    }
    found = {name: version for name in names if (version := _version(name)) is not None}
    processor, instructions = _processor()
    return Machine(
        os=platform.system().lower(),
        architecture=platform.machine(),
        driver=driver,
        gpus=gpus,
        versions=found,
        processor=processor,
        instructions=instructions,
    )


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@cache
def _processor() -> tuple[str, frozenset[str]]:
    """The processor's name and which of its instructions targets ask for; nothing but on Linux."""
    asked = {name for target in TARGETS.values() for names in target.instructions.values() for name in names}
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", frozenset()
    first = dict(line.split(":", 1) for line in reversed(text.splitlines()) if ":" in line)
    told = {key.strip(): value.strip() for key, value in first.items()}
    return told.get("model name", ""), frozenset(asked & {*told.get("flags", "").split()})


@cache
def _cuda() -> tuple[tuple[int, int] | None, tuple[Gpu, ...]]:
    """The driver's CUDA version and the GPUs, asked of the driver itself: no package has to be there for it."""
    for name in LIBRARIES.get(sys.platform, ()):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        return _ask(library)
    return None, ()


def _ask(library: ctypes.CDLL) -> tuple[tuple[int, int] | None, tuple[Gpu, ...]]:
    """Every call returns 0 where it went well (CUDA Driver API)."""
    number = ctypes.c_int()
    if library.cuDriverGetVersion(ctypes.byref(number)):
        return None, ()
    driver = (number.value // 1000, number.value % 1000 // 10)
    count = ctypes.c_int()
    if library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count)):
        return driver, ()
    gpus = []
    for ordinal in range(count.value):
        device, major, minor, size = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
        name = ctypes.create_string_buffer(256)
        failed = (
            library.cuDeviceGet(ctypes.byref(device), ordinal)
            or library.cuDeviceGetName(name, len(name), device)
            or library.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
            or library.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
            or library.cuDeviceTotalMem_v2(ctypes.byref(size), device)
        )
        if not failed:
            gpus.append(Gpu(name=os.fsdecode(name.value), capability=(major.value, minor.value), memory=size.value))
    return driver, tuple(gpus)
