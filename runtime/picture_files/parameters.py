"""The text `parameters` that AUTOMATIC1111's web UI writes into pictures, and that galleries read.

    a red circle
    Negative prompt: blurry
    Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 7, Size: 512x512

The prompts stand there as they are. So a prompt with a line that begins with "Negative prompt:" is read back as two,
here as by every other reader; the JSON beside the text has no such case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from latentlink.runtime.picture_files.record import Record
from latentlink.runtime.samplers.names import WEB_NAMES

NEGATIVE = "Negative prompt:"

LEAST_SETTINGS = 3
"""Settings on a line that is not part of a prompt."""

KARRAS_UNLESS_SAID = ("dpm2", "dpmpp_2m", "dpmpp_2m_sde")
"""Samplers to which the web UI gives Karras' or exponential levels if the text has no schedule type."""

_QUOTED = re.compile(r'\s*("(?:\\.|[^\\"])*")\s*(?:,|$)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The text, taken apart.

    Args:
        prompt: The prompt.
        negative_prompt: The negative prompt; empty if there is none.
        settings: By the names that the text gives them, in its order: `Steps`, `CFG scale`, `Size`, ...
    """

    prompt: str
    negative_prompt: str
    settings: Mapping[str, str]

    def to_text(self) -> str:
        """The text."""
        lines = [self.prompt] if self.prompt else []
        if self.negative_prompt:
            lines.append(f"{NEGATIVE} {self.negative_prompt}")
        return "\n".join([*lines, self.settings_line()])

    def settings_line(self) -> str:
        """The last line of the text."""
        return ", ".join(f"{name}: {_quoted(value)}" for name, value in self.settings.items())


def parameters_of(record: Record) -> Parameters:
    """The parameters of a record: what the web UI has a name for."""
    options, origin = record.options, record.origin
    settings: dict[str, object] = {
        "Steps": options["steps"],
        "Sampler": WEB_NAMES.get(options["sampler"], options["sampler"]),
        "Schedule type": _schedule_type(options),
        "CFG scale": _plain(options["guidance"]),
        "Seed": options["seed"],
        "Size": f"{options['width']}x{options['height']}",
        "Model hash": (origin.manifest or "")[:10] or None,
        "Model": origin.name,
        "Denoising strength": _plain(options["strength"]) if "strength" in options else None,
        "RNG": "CPU" if options["noise"] == "torch" else None,
        "Version": f"latentlink {record.version}",
    }
    return Parameters(
        prompt=record.prompt,
        negative_prompt=options.get("negative_prompt", ""),
        settings={name: str(value) for name, value in settings.items() if value is not None},
    )


def read_parameters(text: str) -> Parameters | None:
    """Take the text apart; None if none of its lines has settings. Takes time in proportion to its length."""
    lines = text.split("\n")
    for place in range(len(lines) - 1, -1, -1):
        settings = dict(_settings(lines[place]))
        if len(settings) >= LEAST_SETTINGS and "Steps" in settings:
            break
    else:
        return None
    before = lines[:place]
    begins = next((at for at, line in enumerate(before) if line.startswith(NEGATIVE)), len(before))
    negative = "\n".join(before[begins:]).removeprefix(NEGATIVE).removeprefix(" ")
    return Parameters(prompt="\n".join(before[:begins]), negative_prompt=negative, settings=settings)


def _settings(line: str) -> Iterator[tuple[str, str]]:
    """The settings of a line: `Steps: 20, Model: "a, b"`."""
    at = 0
    while (colon := line.find(":", at)) >= 0:
        name = line[at:colon].rpartition(",")[2].strip()  # what has no colon is no setting
        if found := _QUOTED.match(line, colon + 1):
            value, at = found[1], found.end()
            with suppress(ValueError):  # of text that is not JSON, the quotes belong to the value
                value = str(json.loads(value))
        else:
            comma = line.find(",", colon)
            end = len(line) if comma < 0 else comma
            value, at = line[colon + 1 : end].strip(), end + 1
        if name:
            yield name, value


def _quoted(value: str) -> str:
    """A value as it stands in the text: in quotes if it could be taken for the next setting."""
    plain = value == value.strip() and not re.search(r'[,:\n]|^"', value)
    return value if plain else json.dumps(value, ensure_ascii=False)


def _schedule_type(options: Mapping[str, str]) -> str | None:
    if "sigmas" in options:
        return options["sigmas"].capitalize()
    return "Uniform" if options["sampler"] in KARRAS_UNLESS_SAID else None


def _plain(number: float) -> str:
    """A number without a needless `.0`, and with all its digits."""
    return str(int(number)) if number == int(number) else str(number)
