"""Writes what the native runtime has to meet: `python -m tests.vectors.write`, after a change of what they say.

`tables.json` holds requests of tables, whose numbers are in `tables.safetensors`, one table after the other as
`numbers_of` makes them: as places in a list of different numbers, of which there are few. `answers.json` holds
requests with names or an error as their answer. `noise.json` holds seeds, and `noise.safetensors` what is drawn.
`engines` holds small graphs.
`linking.json` holds engines as ports, and how they are connected (linking.py); `candidates.json` components that are a
few numbers, and how they are judged.
`guards.json` and `vae.json` hold recipes of arrays (`recipes.py`), with the verdicts on them or what is made of them.
`vocabulary.json`, `tensor_files.json` and `engines.json` hold questions with their answers, asked in the modules of
these names.
`manifests.json` holds manifests, JSON texts and ONNX files, with what is said of them (manifests.py).
`pictures.json` holds sizes and small files with the pixels that are read, and `picture_records.json` records and texts.
`tokens.json` holds texts, tokenizers and prompts, `tokens.safetensors` what the ones make of the others (tokens.py).
`requests.json` holds the table of options, and questions about requests (request_answers.py); `denoising.json` whole
runs on a denoiser on paper (step_double.py), and `denoising.safetensors` their latents.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from latentlink.errors import ExitStatus, LatentLinkError
from latentlink.runtime.samplers import (
    SamplerTable,
    Schedule,
    clean_coefficients,
    own_names,
    read_schedule,
    sampler_table,
)
from latentlink.runtime.samplers.names import WEB_NAMES
from latentlink.runtime.samplers.noise import noise_source
from tests.vectors.candidates import judgements
from tests.vectors.cases import NOISE, REFUSED_SCHEDULES, REFUSED_TABLES, SCHEDULES, Case, name_cases, table_cases
from tests.vectors.denoising import denoising
from tests.vectors.engines import engines
from tests.vectors.graphs import graphs, write_endless
from tests.vectors.guard_cases import guards
from tests.vectors.linking import verdicts
from tests.vectors.manifests import manifests
from tests.vectors.picture_cases import pictures
from tests.vectors.record_cases import picture_records
from tests.vectors.request_answers import requests
from tests.vectors.tensor_files import tensor_files
from tests.vectors.tokens import blocks, digests, tokens
from tests.vectors.vae_cases import vae
from tests.vectors.vocabulary import vocabulary

FOLDER = Path(__file__).parent

KEPT = 4
"""Most rows of a table that are kept whole; of longer ones the first, second, middle and last."""

Numbers = NDArray[np.float64]


def numbers_of(table: SamplerTable, training: Schedule) -> list[float]:
    """What is kept of a table: rows R, start_scale, the level after, the sum of the size of each column; then rows.

    A row is its 11 columns, step, draws + 2*recovers, level (signal, noise), sigma, and u and v of the clean picture.
    """
    prediction = training.prediction_type
    columns = np.column_stack(
        [
            table.rows,
            table.step,
            table.draws + 2 * table.recovers,
            table.levels[:-1],
            np.where(np.isfinite(table.sigmas), table.sigmas, -1),
            clean_coefficients(table, prediction),
        ]
    )
    R = len(columns)
    rows = range(R) if R <= KEPT else (0, 1, R // 2, R - 1)
    head = [R, table.start_scale, *table.levels[-1], *np.abs(columns).sum(0)]
    return [*map(float, head), *columns[list(rows)].ravel().tolist()]


def tables() -> tuple[list[Case], Numbers]:
    """Requests, and what is kept of their tables, one after the other; those that are refused are left out."""
    read = {name: read_schedule(fields) for name, fields in SCHEDULES.items()}
    cases, numbers = [], []
    for case in table_cases():
        given = {key: value for key, value in case.items() if key != "schedule"}
        try:
            table = sampler_table(training=read[case["schedule"]], **given)
        except LatentLinkError:
            continue
        cases.append(case)
        numbers += numbers_of(table, read[case["schedule"]])
    return cases, np.array(numbers)


def answers() -> dict[str, Any]:
    """Requests with names or errors as their answer, and lists that both runtimes hold."""
    read = {name: read_schedule(fields) for name, fields in SCHEDULES.items()}

    def names(given: Case) -> dict[str, Any]:
        settings = {key: value for key, value in given.items() if key != "schedule"}
        return asdict(own_names(read[given["schedule"]], **settings))

    def table(given: Case) -> None:
        settings = {key: value for key, value in given.items() if key != "schedule"}
        sampler_table(training=read[given["schedule"]], **settings)

    return {
        "statuses": {status.name.lower(): status.value for status in ExitStatus},
        "web_names": dict(WEB_NAMES),
        "own_names": [{"given": given, **_answer(names, given)} for given in name_cases()],
        "sampler_table": [{"given": given, **_answer(table, given)} for given in REFUSED_TABLES],
        "read_schedule": [{"given": given, **_answer(read_schedule, given)} for given in REFUSED_SCHEDULES],
        "noise_source": [
            {"given": given, **_answer(lambda kind: noise_source(kind, 0), given)} for given in ("cuda", "")
        ],
    }


def noise() -> NDArray[np.float32]:
    """The numbers of all of `NOISE`, one after the other."""
    drawn = []
    for case in NOISE:
        draw = noise_source(case["noise"], case["seed"])
        drawn += [draw((size,)) for size in case["sizes"]]
    return np.concatenate(drawn)


def _answer(ask: Any, given: Any) -> dict[str, Any]:
    try:
        return {"answer": ask(given)}
    except LatentLinkError as error:
        return {"status": int(error.status), "message": error.message, "remedy": error.remedy}


def written_tables(folder: Path) -> tuple[list[Case], Numbers]:
    """What `write` wrote of `tables`."""
    stored = load_file(folder / "tables.safetensors")
    return json.loads((folder / "tables.json").read_text("utf-8"))["cases"], stored["different"][stored["places"]]


def write(folder: Path) -> None:
    """Write all vectors into a folder."""
    cases, numbers = tables()
    different, places = np.unique(numbers, return_inverse=True)
    assert len(different) <= 2**16, "more than places of 16 bits can tell apart: ask for fewer tables"
    save_file({"different": different, "places": places.astype(np.uint16)}, folder / "tables.safetensors")
    save_file({"noise": noise()}, folder / "noise.safetensors")
    _write_lines(folder / "tables.json", {"schedules": SCHEDULES, "cases": cases})
    _write_lines(folder / "answers.json", answers())
    _write_lines(folder / "noise.json", {"cases": NOISE})
    (folder / "engines").mkdir(exist_ok=True)
    for name, graph in graphs().items():
        (folder / "engines" / name).write_bytes(graph)
    _write_lines(folder / "linking.json", verdicts())
    _write_lines(folder / "candidates.json", judgements())
    _write_lines(folder / "guards.json", guards())
    _write_lines(folder / "vae.json", vae())
    _write_lines(folder / "vocabulary.json", vocabulary())
    _write_lines(folder / "manifests.json", manifests())
    _write_lines(folder / "tensor_files.json", tensor_files())
    _write_lines(folder / "engines.json", engines())
    write_endless(folder / "engines" / "endless.xml")
    _write_lines(folder / "pictures.json", pictures())
    _write_lines(folder / "picture_records.json", picture_records())
    _write_lines(folder / "tokens.json", tokens())
    save_file({"digests": digests(), "blocks": blocks()}, folder / "tokens.safetensors")
    _write_lines(folder / "requests.json", requests())
    runs, latents = denoising()
    _write_lines(folder / "denoising.json", {"cases": runs})
    save_file(latents, folder / "denoising.safetensors")


def _write_lines(path: Path, data: Any) -> None:
    """JSON with a line for each entry of a list, so that a change can be read."""
    parts = []
    for key, value in data.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list | tuple):
            text = "[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in value) + "\n]"
        parts.append(f"{json.dumps(key)}: {text}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
