"""docs/embedding.md and docs/errors.md as a reader would use them: the code runs, the tables are true."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import latentlink
from latentlink import errors
from latentlink.errors import LatentLinkError
from tests.house import ROOT

PAGE = (ROOT / "docs/embedding.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
(SERVICE,) = (block for block in BLOCKS if "class Service" in block)
OTHERS = [block for block in BLOCKS if "class Service" not in block]

PROMPT = "a red circle on a blue background"


def test_the_short_examples_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in OTHERS:
        exec(compile(block, "docs/embedding.md", "exec"), names)
    assert (tmp_path / "out.png").is_file()
    names["pipe"].close()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of the page's service, and what its code defines."""
    names: dict[str, Any] = {"__name__": "service"}
    exec(compile(SERVICE, "docs/embedding.md", "exec"), names)
    names["Service"].log_message = lambda *_: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), names["Service"])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/draw", names
    server.shutdown()
    thread.join()
    server.server_close()
    names["PIPE"].close()


def post(address: str, **asked: Any) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(address, json.dumps(asked).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_the_service_is_as_short_as_its_title_says() -> None:
    # imports and blank lines apart
    lines = [line for line in SERVICE.splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(lines) <= 49


def test_the_service_draws(served: tuple[str, dict[str, Any]]) -> None:
    status, _, body = post(served[0], prompt=PROMPT, seed=7, steps=4)
    assert status == 200
    assert "Seed: 7" in Image.open(BytesIO(body)).info["parameters"]
    with latentlink.load("demo") as pipe:
        wanted = pipe.generate(PROMPT, seed=7, steps=4).images[0]
    assert Image.open(BytesIO(body)).tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"prompt": PROMPT, "steps": 0}, 400, "steps is 0"),
        ({"prompt": PROMPT, "stepz": 5}, 400, "stepz"),
        ({"prompt": 5}, 400, "Received int for a prompt"),
        ({"prompt": PROMPT, "decode": False}, 400, "Received decode; expected some of"),
        ({"prompt": PROMPT, "num_images": 2}, 400, "Received num_images"),
        ({"prompt": PROMPT, "guidance": 1000, "steps": 10}, 422, "Guard after"),
    ],
)
def test_the_service_says_what_is_wrong(
    served: tuple[str, dict[str, Any]], asked: dict[str, Any], status: int, says: str
) -> None:
    found, headers, body = post(served[0], **asked)
    assert (found, headers["Content-Type"]) == (status, "application/json")
    assert says in json.loads(body)["error"]


def test_the_service_is_busy_where_all_places_are_taken(served: tuple[str, dict[str, Any]]) -> None:
    address, names = served
    for _ in range(2):
        assert names["FREE"].acquire(timeout=10)
    try:
        assert post(address, prompt=PROMPT)[0] == 429
    finally:
        names["FREE"].release(2)


def test_a_client_that_goes_away_ends_its_run(
    served: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, names = served
    ended = threading.Event()
    generate = names["PIPE"].generate

    def watched(*given: Any, **options: Any) -> Any:
        try:
            return generate(*given, **options)
        except latentlink.Cancelled:
            ended.set()
            raise

    monkeypatch.setattr(names["PIPE"], "generate", watched)
    host, port = address.removeprefix("http://").split("/")[0].split(":")
    body = json.dumps({"prompt": PROMPT, "steps": 900, "sampler": "ddim"}).encode()
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST /draw HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        time.sleep(0.05)
    assert ended.wait(60)


def test_the_service_ends_at_sigterm_and_answers_who_waits(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = tmp_path / "service.py"
    script.write_text(SERVICE.replace("8000", str(port)), encoding="utf-8")
    process = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE)
    answers: list[int] = []
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        long = {"prompt": PROMPT, "steps": 900, "sampler": "ddim"}
        waiting = threading.Thread(target=lambda: answers.append(post(f"http://127.0.0.1:{port}", **long)[0]))
        waiting.start()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        waiting.join(60)
        assert answers in ([503], [200])  # a fast machine may have drawn it before
    finally:
        process.kill()
        process.communicate()


def test_the_page_of_errors_lists_every_error_with_its_status() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", page, re.MULTILINE))
    found = {
        name: str(int(kind.status))
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, LatentLinkError) and kind is not LatentLinkError
    }
    assert listed == found
