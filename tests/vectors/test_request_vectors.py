"""Requests and runs that the native runtime has to meet are what the Python runtime says today."""

from __future__ import annotations

import json

import numpy as np
from safetensors.numpy import load_file

from tests.vectors.denoising import denoising
from tests.vectors.request_answers import requests
from tests.vectors.write import FOLDER

SMALL = 1e-5
"""A coefficient of float64 differs in its last bits from processor to processor, so that one of float32 may be its
neighbour; steps of the double multiply that by no more than a hundred."""


def test_what_is_said_of_requests_is_that_of_today() -> None:
    assert json.loads((FOLDER / "requests.json").read_text("utf-8")) == json.loads(json.dumps(requests()))


def test_runs_are_those_of_today() -> None:
    listed, arrays = denoising()
    assert json.loads((FOLDER / "denoising.json").read_text("utf-8"))["cases"] == json.loads(json.dumps(listed))
    written = load_file(FOLDER / "denoising.safetensors")
    assert {*written} == {*arrays}
    for name, array in arrays.items():
        np.testing.assert_allclose(array, written[name], rtol=0, atol=SMALL * np.abs(array).max(), err_msg=name)
