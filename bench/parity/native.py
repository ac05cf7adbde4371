"""The native runtime through its C interface, in this process: the same options, pictures and latents as in Python."""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Mapping, Sequence
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from latentlink.errors import (
    BundleError,
    Cancelled,
    ExitStatus,
    GuardError,
    LatentLinkError,
    LinkError,
    PreflightError,
    UsageError,
)

ERRORS: Mapping[int, type[LatentLinkError]] = {
    error.status: error for error in (UsageError, LinkError, BundleError, PreflightError, Cancelled)
}
DTYPES = ("float32", "float16", "bfloat16")
"""Types of latents, in the order of `latentlink_dtype`."""

_HANDLE = ctypes.c_void_p
_TEXTS = POINTER(c_char_p)


class _Picture(Structure):
    _fields_ = (("pixels", ctypes.c_void_p), ("width", c_uint32), ("height", c_uint32))


class _Replacement(Structure):
    _fields_ = (("component", c_char_p), ("bundle", c_char_p))


class _Condition(Structure):
    _fields_ = (("name", c_char_p), ("numbers", POINTER(c_double)), ("count", c_size_t))


class _LatentsView(Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("shape", c_int64 * 4),
        ("dtype", c_int),
        ("space", c_char_p),
        ("signal", c_double),
        ("noise", c_double),
    )


class _LoadOptions(Structure):
    _fields_ = (
        ("size", c_size_t),
        ("target", c_char_p),
        ("replace", POINTER(_Replacement)),
        ("replace_count", c_size_t),
        ("threads", c_uint32),
        ("verify", c_int32),
        ("vae_memory", c_uint64),
        ("engine_memory", c_uint64),
        ("previews", c_char_p),
        ("on_progress", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
    )


class _GenerateOptions(Structure):
    _fields_ = (
        ("size", c_size_t),
        ("prompts", _TEXTS),
        ("prompt_count", c_size_t),
        ("negative_prompts", _TEXTS),
        ("negative_prompt_count", c_size_t),
        ("seeds", POINTER(c_uint64)),
        ("seed_count", c_size_t),
        ("steps", POINTER(c_uint32)),
        ("steps_count", c_size_t),
        ("guidance", POINTER(c_double)),
        ("guidance_count", c_size_t),
        ("samplers", _TEXTS),
        ("sampler_count", c_size_t),
        ("num_images", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("guidance_low", c_double),
        ("guidance_high", c_double),
        ("step_cache", c_uint32),
        ("spacing", c_char_p),
        ("sigmas", c_char_p),
        ("noise", c_char_p),
        ("shift", c_double),
        ("eta", c_double),
        ("strength", c_double),
        ("denoising_start", c_double),
        ("denoising_end", c_double),
        ("batch_seed", c_int32),
        ("guard_off", c_int32),
        ("latents_only", c_int32),
        ("init_images", POINTER(_Picture)),
        ("init_image_count", c_size_t),
        ("masks", POINTER(_Picture)),
        ("mask_count", c_size_t),
        ("init_latents", ctypes.c_void_p),
        ("conditions", POINTER(_Condition)),
        ("condition_count", c_size_t),
        ("on_step", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
    )


_NUMBERS = ("shift", "eta", "strength", "denoising_start", "denoising_end", "guidance_low", "guidance_high")
_RETURNS: Mapping[str, Any] = {
    "version": c_char_p,
    "targets": c_char_p,
    "error_message": c_char_p,
    "error_remedy": c_char_p,
    "error_json": c_char_p,
    "pipeline_json": c_char_p,
    "result_json": c_char_p,
    "result_count": c_size_t,
    "result_picture": _Picture,
    "result_latents": _HANDLE,
    "latents_at": _LatentsView,
    "bytes_data": ctypes.c_void_p,
    "bytes_size": c_size_t,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NativeResult:
    """What the native runtime made.

    Args:
        pictures: uint8 `[H, W, 3]` each.
        latents: `[B, C, h, w]`.
        level: Their noise level (signal, noise).
        record: Its JSON.
        files: The PNG file of every picture.
    """

    pictures: Sequence[NDArray[np.uint8]]
    latents: NDArray[Any]
    level: tuple[float, float]
    record: Mapping[str, Any]
    files: Sequence[bytes]


class NativeLibrary:
    """The shared library.

    Args:
        path: `liblatentlink.so`.
    """

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))

    def function(self, name: str) -> Any:
        """A function of the C interface, by its name without `latentlink_`."""
        found = getattr(self._library, f"latentlink_{name}")
        found.restype = _RETURNS.get(name, c_int)
        return found

    def text(self, name: str, *arguments: Any) -> str:
        """The text that a function returns."""
        return str(self.function(name)(*arguments).decode())

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function whose last argument is the error.

        Raises:
            LatentLinkError: What the library reports, in the class of its status.
        """
        error = _HANDLE()
        status = self.function(name)(*arguments, byref(error))
        if status == ExitStatus.DONE:
            return
        message, remedy = self.text("error_message", error), self.text("error_remedy", error)
        found = json.loads(self.text("error_json", error))
        self.function("error_free")(error)
        if status == ExitStatus.OUTPUT_FAILED_GUARD:
            raise GuardError(
                message.removesuffix(found["cause"]).strip(),
                stage=found["stage"],
                numbers=found["numbers"],
                cause=found["cause"],
                remedy=remedy,
                unusual=found["unusual"],
            )
        raise ERRORS.get(status, LatentLinkError)(message, remedy=remedy)


class NativePipeline:
    """A bundle that the native runtime opened.

    Args:
        library: The library.
        bundle: The bundle.
        replace: Components to take from other bundles.
        target: As of `latentlink.load`.
        threads: As of `latentlink.load`.
        verify: As of `latentlink.load`.
    """

    def __init__(
        self,
        library: NativeLibrary,
        bundle: str | Path,
        *,
        replace: Mapping[str, str | Path] | None = None,
        target: str | None = None,
        threads: int = 0,
        verify: bool | None = None,
    ) -> None:
        self._library, self._handle = library, _HANDLE()
        given = _LoadOptions(size=ctypes.sizeof(_LoadOptions), threads=threads)
        listed = [_Replacement(name.encode(), str(other).encode()) for name, other in (replace or {}).items()]
        given.replace, given.replace_count = (_Replacement * len(listed))(*listed), len(listed)
        given.target = None if target is None else target.encode()
        given.verify = 0 if verify is None else 1 if verify else -1
        library.call("load", str(bundle).encode(), byref(given), byref(self._handle))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the engines. Closing twice is harmless."""
        self._library.function("pipeline_free")(self._handle)
        self._handle = _HANDLE()

    @property
    def record(self) -> dict[str, Any]:
        """What the pipeline is, see `latentlink_pipeline_json`."""
        found: dict[str, Any] = json.loads(self._library.text("pipeline_json", self._handle))
        return found

    def generate(self, prompt: str | Sequence[str], **options: Any) -> NativeResult:
        """Make pictures; the options are those of `Pipeline.generate`, latents as the path of a file."""
        given, kept = _given(prompt, options)
        latents = _HANDLE()
        if (path := options.get("init_latents")) is not None:
            self._library.call("latents_read", str(path).encode(), byref(latents))
            given.init_latents = latents
        made = _HANDLE()
        try:
            self._library.call("generate", self._handle, byref(given), byref(made))
        finally:
            self._library.function("latents_free")(latents)
            del kept
        try:
            return self._result(made)
        finally:
            self._library.function("result_free")(made)

    def _result(self, made: ctypes.c_void_p) -> NativeResult:
        library = self._library
        count = library.function("result_count")(made)
        pictures, files = [], []
        for number in range(count):
            view = library.function("result_picture")(made, c_size_t(number))
            pictures.append(_copied(view.pixels, (view.height, view.width, 3), np.uint8))
            data = _HANDLE()
            library.call("result_png", made, c_size_t(number), 1, byref(data))
            size = library.function("bytes_size")(data)
            files.append(ctypes.string_at(library.function("bytes_data")(data), size))
            library.function("bytes_free")(data)
        latents = _HANDLE(library.function("result_latents")(made))
        view = library.function("latents_at")(latents)
        array = _copied(view.data, tuple(view.shape), np.dtype(DTYPES[view.dtype]))
        library.function("latents_free")(latents)
        record = json.loads(library.text("result_json", made))
        return NativeResult(
            pictures=pictures, latents=array, level=(view.signal, view.noise), record=record, files=files
        )


def _copied(data: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.frombuffer(ctypes.string_at(data, size), dtype).reshape(shape)


def _given(prompt: str | Sequence[str], options: Mapping[str, Any]) -> tuple[_GenerateOptions, list[Any]]:
    """The options as the C interface reads them, and what has to live as long."""
    given = _GenerateOptions(size=ctypes.sizeof(_GenerateOptions))
    kept: list[Any] = []
    for name in _NUMBERS:
        setattr(given, name, float(options[name]) if options.get(name) is not None else math.nan)

    def array(kind: Any, values: Sequence[Any], field: str, count: str) -> None:
        made = (kind * len(values))(*values)
        kept.append((made, values))
        setattr(given, field, made)
        setattr(given, count, len(values))

    array(c_char_p, [text.encode() for text in _several(prompt)], "prompts", "prompt_count")
    negatives = [text.encode() for text in _several(options.get("negative_prompt"))]
    array(c_char_p, negatives, "negative_prompts", "negative_prompt_count")
    array(c_char_p, [text.encode() for text in _several(options.get("sampler"))], "samplers", "sampler_count")
    array(c_uint64, [seed % 2**64 for seed in _several(options.get("seed"))], "seeds", "seed_count")
    array(c_uint32, _several(options.get("steps")), "steps", "steps_count")
    array(c_double, _several(options.get("guidance")), "guidance", "guidance_count")
    for name in ("num_images", "width", "height", "step_cache"):
        setattr(given, name, options.get(name) or 0)
    for name in ("spacing", "sigmas", "noise"):
        setattr(given, name, None if options.get(name) is None else options[name].encode())
    if options.get("guidance_interval") is not None:
        given.guidance_low, given.guidance_high = options["guidance_interval"]
    given.batch_seed = bool(options.get("batch_seed"))
    given.guard_off = options.get("guard") == "off"
    given.latents_only = options.get("decode") is False
    for name, field, count in (
        ("init_image", "init_images", "init_image_count"),
        ("mask_image", "masks", "mask_count"),
    ):
        pixels = [np.asarray(image.convert("RGB")).copy() for image in _several(options.get(name))]
        kept.append(pixels)
        views = [_Picture(one.ctypes.data, one.shape[1], one.shape[0]) for one in pixels]
        array(_Picture, views, field, count)
    conditions = []
    for name, numbers in (options.get("conditions") or {}).items():
        listed = [float(number) for number in (numbers if isinstance(numbers, Sequence) else [numbers])]
        values = (c_double * len(listed))(*listed)
        kept.append(values)
        conditions.append(_Condition(name.encode(), values, len(listed)))
    array(_Condition, conditions, "conditions", "condition_count")
    return given, kept


def _several(value: Any) -> list[Any]:
    """A value as a list: of none, of itself, or of its items."""
    if value is None:
        return []
    return [value] if isinstance(value, (str, int, float, Image)) else [*value]
