"""This machine: packages, operating system, processor, GPUs and driver, found without importing or opening anything."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from importlib.util import find_spec
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
        name: The driver's name of it.
        capability: Its compute capability, (major, minor).
        memory: Bytes.
    """

    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The properties of a machine that engines can depend on.

    Args:
        os: `linux`, `windows`, `darwin`.
        architecture: Architecture of the processor, as `x86_64`.
        driver: Newest CUDA version that the NVIDIA driver runs, (major, minor); None without a driver.
        gpus: The GPUs that this process may use; engines run on the first.
        versions: Version by name of the installed distributions, and of the libraries that packages name.
        processor: Name of the processor; empty if unknown.
        instructions: Instructions of the processor that targets ask for, by Linux's names.
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
        names = (package.soname,) if package.soname else package.distributions
        return next((self.versions[name] for name in names if name in self.versions), None)


def this_machine() -> Machine:
    """The machine that this process runs on."""
    driver, gpus = _cuda()
    packages = {p for target in TARGETS.values() for p in (*target.packages, *target.runtime_packages)}
    names = {name for package in packages for name in package.distributions}
    found = {name: version for name in names if (version := _version(name)) is not None}
    for library in {package.soname for package in packages} - {""}:
        if (path := library_file(library)) is not None:
            found[library] = _library_version(path, library)
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


LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/local/lib")
"""Where Linux distributions and NVIDIA's packages for them put libraries."""

LIBRARY_PACKAGE = "tensorrt_libs"
"""The package of Python that has TensorRT's libraries."""


def library_file(name: str) -> Path | None:
    """The file of a library of TensorRT, as `libnvinfer.so.10`: of Python's packages, else of the system; or None."""
    spec = find_spec(LIBRARY_PACKAGE)
    folders = [*(spec.submodule_search_locations or () if spec is not None else ())]
    folders += [*filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")), *LIBRARY_FOLDERS]
    return next((path for folder in folders if (path := Path(folder) / name).is_file()), None)


def _library_version(path: Path, name: str) -> str:
    """The version of a library: that of the file that it is a link to, of its distribution, or as its name has it."""
    base, _, major = name.partition(".so.")
    of_link = path.resolve().name.removeprefix(f"{base}.so.")
    if of_link.startswith(f"{major}."):
        return of_link
    beside = (_version(f"tensorrt-cu{cuda}-libs") for cuda in (12, 13))
    return next((version for version in beside if version and version.startswith(f"{major}.")), major)


@cache
def _processor() -> tuple[str, frozenset[str]]:
    """The processor's name, and those of its instructions that targets ask for; empty on other systems than Linux."""
    relevant = {name for target in TARGETS.values() for names in target.instructions.values() for name in names}
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", frozenset()
    first = dict(line.split(":", 1) for line in reversed(text.splitlines()) if ":" in line)
    facts = {key.strip(): value.strip() for key, value in first.items()}
    return facts.get("model name", ""), frozenset(relevant & {*facts.get("flags", "").split()})


@cache
def _cuda() -> tuple[tuple[int, int] | None, tuple[Gpu, ...]]:
    """The driver's CUDA version and the GPUs, from the driver itself: it needs no package."""
    for name in LIBRARIES.get(sys.platform, ()):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        return _query(library)
    return None, ()


def _query(library: ctypes.CDLL) -> tuple[tuple[int, int] | None, tuple[Gpu, ...]]:
    """The same, from a driver library. Every call of the CUDA Driver API returns 0 on success."""
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
