"""Records, texts and changes of options, and what the Python runtime makes of them: `picture_records.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from latentlink import __version__
from latentlink.errors import UsageError
from latentlink.runtime.picture_files import (
    Origin,
    PictureFile,
    Record,
    differences,
    left_out_levels,
    options_of,
    overridden,
)
from latentlink.runtime.picture_files.parameters import Parameters, parameters_of, read_parameters
from latentlink.runtime.picture_files.record import Batch
from latentlink.runtime.picture_files.record_reader import read_record
from tests.runtime.picture_files import samples
from tests.runtime.picture_files.samples import HARD_PROMPTS, SHA

PATH = Path("it's a.png")

SETTINGS = "Steps: 4, Sampler: Euler a, CFG scale: 5, Seed: 7, Size: 64x64"

BATCH = Batch(number=2, prompts=("a", "b"), negative_prompts=("", None), guidance=(7.5, 7.5, 1.0, 1.0))

OTHER_ORIGIN = Origin(
    name="other", family="sdxl", manifest=None, replaced={"vae_decoder": SHA, "denoiser": None},
    engines={"denoiser": ("ort-cuda", "float16"), "vae_decoder": ("ort-cpu", "float32")},
)  # fmt: skip


def record(prompt: str = "a red circle", *, origin: Origin | None = None, **changes: Any) -> Record:
    """As that of the tests, of any origin."""
    made = samples.record(prompt, **changes)
    return made if origin is None else replace(made, origin=origin)


def records() -> list[Record]:
    """Records of every kind, with their options in the order of a file."""
    made = [
        *(record(prompt, negative_prompt=None) for prompt in HARD_PROMPTS),
        record('\0\x1f\x7f\u2028 \ufeff "\\ \b\f\n\r\t'),
        record(seed=2**64 - 1, guidance=1e-5, sampler="dpm2", sigmas=None, noise="philox"),
        record(seed=-(2**63), guidance=1000.0, strength=0.6, sampler="ddim", eta=0.0, sigmas="exponential"),
        record(guidance_interval=(0.28, math.inf), spacing="trailing", shift=3.0, denoising_end=0.5),
        record(guidance_interval=(0.0, 5.42), denoising_start=0.25, conditions={"original_size": [64.0, 1e22]}),
        record(batch=BATCH),
        record(batch=Batch(number=1, prompts=("a",), negative_prompts=("x",), guidance=(2.0,))),
        record(started_from={"image": (SHA,), "latents": (SHA, SHA[::-1])}, version="0.0.9"),
        record(origin=OTHER_ORIGIN, earlier=(record("first"), record("second"))),
        Record(prompt="", options=record().options, origin=OTHER_ORIGIN),
    ]
    return [read_record(one.to_text()) for one in made]


def _changed(*path: str, to: Any) -> str:
    """The JSON of a record in which one value is another one; `...` takes it away."""
    origin = Origin(name="demo", family="sd1", manifest=None)
    batch = BATCH if path[0] == "batch" else None
    plain = record("a", negative_prompt=None, sigmas=None, step_cache=None, origin=origin, batch=batch)
    value = json.loads(plain.to_text())
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if to is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return json.dumps(value)


def record_texts() -> Iterator[str]:
    """Texts that stand where a record is expected."""
    yield from (
        "",
        "{",
        "[" * 10**4,
        "NaN",
        '{"format": Infinity}',
        "3",
        "[]",
        "null",
        "{}",
        '{"format":1}',
        '{"format":2}',
    )
    yield from (
        "\x1b[2J",
        "\ufffe",
        '{"format":1}}',
        '{"format":1,}',
        "{'format':1}",
        '"\t"',
        '{"a":01}',
        "1e999",
        "tru",
    )
    yield from ('{"format":1,"format":2}', '{"format":1.0,"prompt":"x"}', '{"format":"1"}', '{"format":1e400}')
    yield _changed("prompt", to="x" * 20_001)
    for path, values in _WRONG.items():
        for value in values:
            yield _changed(*path.split("."), to=value)


_WRONG: Mapping[str, tuple[Any, ...]] = {
    "prompt": (3, None, ["a"], "\ud800", "a\nb", ...),
    "options": ([], None, 3, {str(number): 1 for number in range(101)}, {}, ...),
    "options.seed": (-1, -1.0, 1.5, True, "7", [7], 2**64, 2**64 - 1, 10**30, -(2**63), -(2**63) - 1, None),
    "options.steps": (0, 1001, 4.0, "4", True, [4], None, 10**20),
    "options.guidance": (-1, 1000.5, "7", True, 7, None),
    "options.sampler": (3, "x" * 1025, "anything", None),
    "options.noise": ("cuda", "torhc", 3),
    "options.width": (0, 16385, 512.5),
    "options.step_cache": (0, 1001),
    "options.eta": (-0.1, 1.5, 1),
    "options.shift": (0, -1, "x"),
    "options.strength": (1.5, -1),
    "options.denoising_end": (2, 0.5),
    "options.negative_prompt": (3, ""),
    "options.guidance_interval": ([1], [2, 1], "12", [1, "inf"], ["inf", "inf"], [1, "x"], {}, [-1, 1], [True, 2]),
    "options.conditions": ([], {"a": 1}, {"a": ["x"]}, {"a": [1, 2.5]}, {"a'b": [None]}, {"a": [1] * 101}),
    "options.unknown": (1,),
    "model": (None, [], {}, ...),
    "model.name": (None, 3, "x" * 1024, "x" * 1025, "é" * 1024),
    "model.family": (None,),
    "model.manifest": (SHA[:-1], SHA.upper(), 3, None),
    "model.replaced": ({"a": None, "b": SHA}, {"a": "x"}, [], None),
    "model.engines": ([], {"a": 1}, {"a": {}}, {"a": {"target": "x"}}, {"a": {"target": 1, "precision": "y"}}, ...),
    "batch": (3, None, {}),
    "batch.number": (0, 5, 1.0, "1", None),
    "batch.prompts": ([], "ab", ["a", "b", "c"], ["a", 3]),
    "batch.negative_prompts": ([], ["a"], ["a", 3], [None, None]),
    "batch.guidance": ([], 3, [1.0] * 1025, ["x", 1, 1, 1], [1, 2, 3, 2000]),
    "started_from": ([], None, {"image": SHA}, {"image": [SHA[1:]]}, {"image": []}, {"mask": [SHA], "other": 3}),
    "latentlink": (None, 3, "x" * 2000, "9.9"),
    "earlier_stages": (3, [3], [{}], [{}] * 101, [{"earlier_stages": [1], "format": 1}]),
    "more": ({"deep": [[[]]]},),
}
"""By path in a record, values that stand there."""

TEXTS = (
    *(f"{prompt}\nNegative prompt: {prompt}\n{SETTINGS}" for prompt in HARD_PROMPTS),
    "",
    "no settings",
    "\n",
    SETTINGS,
    f"{SETTINGS}\nmore behind",
    f'a\n{SETTINGS}, Model: "a, b: \\"c\\"", Version: v1',
    "Steps: 4, Seed: 7",
    "a\nNegative prompt: b\nNegative prompt: c\nSteps: 1, a: b, c: d",
    'Steps: 1, x: "unclosed, y: z',
    'Steps: 1, x: "bad \\q escape", y: z',
    'Steps: 1, x: "a" b, y: z',
    'Steps: 1, x: "tab\there", y: z',
    'Steps: 1, x: "\\u591c", y: "\\ud83c\\udf2b"',
    "Steps: 1,,a: b, :c, d:, e:f:g",
    "Steps: 1, Steps: 2, a: 1, a: 2, b: 3",
    '\u3000Steps\u00a0: 1\u2009, a\x1f: \x85b, c: "q"\u2003, d: e',
    f"a\r\nNegative prompt:b\r\n{SETTINGS}\r",
    "Negative prompt:  two blanks\n" + SETTINGS,
    f"{SETTINGS}, Schedule type: KARRAS",
    *(f"a\n{SETTINGS.replace('4', steps, 1)}" for steps in ("4.5", "+4", " 4 ", "-4", "", "9" * 30, "9" * 4301, "0x4")),
    *(
        f"a\n{SETTINGS.replace('5,', f'{scale},')}"
        for scale in ("nan", "-inf", "1e999", "1e-999", ".5", "5.", "1e5", "five", "nan(1)", "+ 1")
    ),
    *(f"a\n{SETTINGS.replace('7', seed)}" for seed in (str(2**64 - 1), str(-(2**63)), "-1")),
    *(f"a\n{SETTINGS.replace('64x64', size)}" for size in ("64", "64x", "1234567890x1", "64X64", "64x64x64", "064x48")),
    *(
        f"a\n{SETTINGS}, Schedule type: {kind}"
        for kind in ("Automatic", "Uniform", "Exponential", "SGM Uniform", "Polyexponential", "beta")
    ),
)
"""Texts that stand where the text `parameters` is expected."""

VALUES = (
    "plain",
    "",
    " blank",
    "blank ",
    "a, b",
    "a: b",
    "two\nlines",
    '"quoted"',
    'in "the" middle',
    "\u3000",
    "\\",
    "夜,",
)
"""Values of settings, which are quoted or not."""

CHANGES: tuple[dict[str, Any], ...] = (
    {}, {"seed": 8}, {"sampler": "euler"}, {"guidance": 1}, {"guidance": 1.5}, {"guidance": [1.0]}, {"strength": 0.5},
    {"denoising_start": 0.5}, {"prompt": None, "steps": None}, {"prompt": ["a", "b"], "sampler": "ddim", "eta": 0.5},
)  # fmt: skip
"""Options in place of a picture's."""


def picture_records() -> dict[str, Any]:
    """What is written into `picture_records.json`."""
    made = records()
    return {
        "version": __version__,
        "records": [
            {"text": one.to_text(), "parameters": parameters_of(one).to_text(), "options": _options(record=one)}
            for one in made
        ],
        "record_texts": [
            {"text": text, **_answer(lambda text: read_record(text).to_text(), text)} for text in record_texts()
        ],
        "texts": [{"text": text, "parameters": _parameters(text), "options": _options(text=text)} for text in TEXTS],
        "values": [
            {"value": value, "line": Parameters(prompt="", negative_prompt="", settings={"a": value}).settings_line()}
            for value in VALUES
        ],
        "overridden": [
            {
                "record": place,
                "given": given,
                "options": list(_plain(overridden(options_of(_file(one)), given)).items()),
            }
            for place, one in enumerate(made)
            if one.batch or "guidance_interval" in one.options
            for given in CHANGES
        ],
        "differences": [
            {"recorded": before, "made": now, "sentences": differences(made[before], made[now])}
            for before in range(len(made) - 4, len(made))
            for now in range(len(made) - 5, len(made))
        ],
    }


def _file(record: Record | None = None, text: str | None = None) -> PictureFile:
    return PictureFile(path=PATH, format="PNG", size=(8, 8), record=record, text=text)


def _options(record: Record | None = None, text: str | None = None) -> dict[str, Any]:
    """Options as a list of names and values, since their order counts."""
    return _answer(lambda file: list(_plain(options_of(file)).items()), _file(record, text))


def _plain(value: Any) -> Any:
    """Numbers that JSON lacks as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _parameters(text: str) -> dict[str, Any] | None:
    read = read_parameters(text)
    if read is None:
        return None
    return {
        "prompt": read.prompt,
        "negative_prompt": read.negative_prompt,
        "settings": list(read.settings.items()),
        "text": read.to_text(),
        "left_out": left_out_levels(read),
    }


def _answer(ask: Any, given: Any) -> dict[str, Any]:
    try:
        return {"answer": ask(given)}
    except UsageError as error:
        return {"message": error.message, "remedy": error.remedy}
