"""A process that was forked after `load`, as `gunicorn --preload` does: refused in a sentence, and it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

SCRIPT = """
import os, sys
import latentlink

def draw(pipe):
    return pipe.generate("a red circle", seed=1, steps=1, width=32, height=32, guard="off").latents.array.tolist()

pipe = latentlink.load(sys.argv[1], **eval(sys.argv[2]))
drawn = draw(pipe)
child = os.fork()
if child == 0:
    try:
        draw(pipe)
    except latentlink.UsageError as error:
        assert "was opened before this process was forked" in str(error), error
    else:
        raise AssertionError("not refused")
    pipe.close()
    with latentlink.load(sys.argv[1], **eval(sys.argv[2])) as own:
        assert draw(own) == drawn
    sys.exit(7)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
assert draw(pipe) == drawn
pipe.close()
"""


@pytest.mark.parametrize("options", ["{}", "{'threads': 1, 'engine_memory': 10**9}"])
@pytest.mark.parametrize("bundle", ["tiny_bundle", "tiny_openvino_bundle"])
def test_a_fork_loads_its_own_pipeline(bundle: str, options: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(bundle)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), options], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_a_fork_that_does_nothing_ends_as_well() -> None:
    script = """
import os, latentlink
pipe = latentlink.load("demo")
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
