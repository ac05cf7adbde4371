"""One truth for two readers: what a test gives to a reader of bundles, the native one is given too.

A test calls Python's reader as ever. The fixture `both_readers`, which every test of tests/engine has, asks the program
`latentlink_readers` for the same file, and fails the test where the two differ in status, sentence, remedy or value.
Where the native runtime was not built, nothing is compared; LATENTLINK_NATIVE says that it has to be there, as in CI.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
from numpy.typing import NDArray

from latentlink.engine.bundle import Bundle, ComponentEntry, Manifest, Probes, read_probes
from latentlink.engine.bundle.onnx_locations import external_locations
from latentlink.engine.tokenizers import read_tokenizer
from latentlink.errors import ExitStatus, LatentLinkError

PROGRAM = "tests/native/latentlink_readers"
"""The program, in the folder of the native runtime's build."""

Ask = dict[str, Any]
_T = TypeVar("_T")


class Readers:
    """The native readers, in a process that answers a line with a line; and how many verdicts were compared."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._process = self._start()
        self.busy = False  # in a call of Python's reader
        self.compared = 0

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([self._program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def ask(self, request: Ask) -> dict[str, Any]:
        """The native reader's verdict: `status` with `value`, or with `message` and `remedy`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"folder": _hex(Path.cwd()), **request})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            status, self._process = self._process.returncode, self._start()
            raise AssertionError(f"the native reader ended with status {status} at {line[:2000]}")
        found: dict[str, Any] = json.loads(answer)
        return found

    def both(self, request: Ask, read: Callable[[], _T], shown: Callable[[_T], object]) -> _T:
        """What Python's reader returns or raises, once the native one was found to say the same.

        Args:
            request: The same question for the native reader.
            read: Calls Python's reader.
            shown: Its result as the native reader's JSON.
        """
        if self.busy:
            return read()
        self.busy = True
        try:
            result = read()
        except LatentLinkError as error:
            self._compare(request, {"status": error.status, "message": error.message, "remedy": error.remedy})
            raise
        except OSError:
            assert self.ask(request)["status"] == ExitStatus.FAILED
            raise
        finally:
            self.busy = False
        self._compare(request, {"status": 0, "value": json.loads(json.dumps(shown(result)))})
        return result

    def _compare(self, request: Ask, expected: dict[str, Any]) -> None:
        self.compared += 1
        found = self.ask(request)
        about = {key: str(value)[:500] for key, value in request.items()}
        assert _comparable(found) == _comparable(expected), f"the readers differ: {about}"


def both_manifests(readers: Readers, value: object) -> None:
    """Compare the readers on values that JSON can hold, as the content of a `manifest.json`."""
    try:
        data = json.dumps(value).encode()
    except (TypeError, ValueError, RecursionError):
        return
    with suppress(LatentLinkError):
        readers.both({"reader": "manifest", "bytes": data.hex()}, lambda: Manifest.from_bytes(data), Manifest.to_json)


def start_readers(folder: Path, *, required: bool) -> Readers | None:
    """The program of a build folder, started; None if it is not there and need not be.

    Raises:
        FileNotFoundError: It has to be there.
    """
    program = folder / PROGRAM
    return Readers(program) if required or program.is_file() else None


@contextmanager
def comparing(readers: Readers, module: ModuleType) -> Iterator[None]:
    """Let Python's readers ask the native ones, as methods and under the names that a test's module has for them."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, make in _METHODS:
            found = owner.__dict__[name]
            made = make(readers, getattr(found, "__func__", found))
            patch.setattr(owner, name, classmethod(made) if isinstance(found, classmethod) else made)
        for function, make in _FUNCTIONS.items():
            made = make(readers, function)
            for name, value in list(vars(module).items()):
                if value is function:
                    patch.setattr(module, name, made)
        yield


def _open(readers: Readers, read: Callable[..., Bundle]) -> Callable[..., Bundle]:
    def opened(cls: type[Bundle], path: Any, *, check_files: Any = True, on_progress: Any = None) -> Bundle:
        def here() -> Bundle:
            return read(cls, path, check_files=check_files, on_progress=on_progress)

        if not isinstance(path, str | os.PathLike) or not isinstance(check_files, bool):
            return here()
        request = {"reader": "bundle", "path": _hex(path), "check_files": check_files}
        return readers.both(request, here, lambda b: {"manifest": b.manifest.to_json(), "sha256": b.sha256})

    return opened


def _from_bytes(readers: Readers, read: Callable[..., Manifest]) -> Callable[..., Manifest]:
    def from_bytes(cls: type[Manifest], data: bytes) -> Manifest:
        request = {"reader": "manifest", "bytes": data.hex()}
        return readers.both(request, lambda: read(cls, data), Manifest.to_json)

    return from_bytes


def _from_json(readers: Readers, read: Callable[..., Manifest]) -> Callable[..., Manifest]:
    def from_json(cls: type[Manifest], value: object) -> Manifest:
        if not readers.busy:
            both_manifests(readers, value)
        return read(cls, value)

    return from_json


def _fingerprints(readers: Readers, check: Callable[[ComponentEntry], None]) -> Callable[[ComponentEntry], None]:
    def check_fingerprints(self: ComponentEntry) -> None:
        request = {"reader": "component", "bytes": json.dumps(self.to_json()).encode().hex()}
        readers.both(request, lambda: check(self), lambda _: None)

    return check_fingerprints


def _locations(readers: Readers, find: Callable[[Path], frozenset[bytes]]) -> Callable[[Path], frozenset[bytes]]:
    def locations(path: Path) -> frozenset[bytes]:
        request = {"reader": "locations", "path": _hex(path)}
        return readers.both(request, lambda: find(path), lambda names: [name.hex() for name in sorted(names)])

    return locations


def _probes(readers: Readers, read: Callable[..., Probes]) -> Callable[..., Probes]:
    def probes(path: Path, inputs: Any, outputs: Any) -> Probes:
        ports = {
            key: [{"tensor": port.tensor, "shape": list(port.shape)} for port in ports]
            for key, ports in (("inputs", inputs), ("outputs", outputs))
        }
        request = {"reader": "probes", "path": _hex(path), **ports}
        return readers.both(request, lambda: read(path, inputs, outputs), _probes_to_json)

    return probes


def _tokenizer(readers: Readers, read: Callable[[bytes], str]) -> Callable[[bytes], str]:
    def tokenizer(data: bytes) -> str:
        return readers.both({"reader": "tokenizer", "bytes": data.hex()}, lambda: read(data), lambda _: None)

    return tokenizer


_METHODS: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (Bundle, "open", _open),
    (Manifest, "from_bytes", _from_bytes),
    (Manifest, "from_json", _from_json),
    (ComponentEntry, "check_fingerprints", _fingerprints),
)
_FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    external_locations: _locations,
    read_probes: _probes,
    read_tokenizer: _tokenizer,
}


def _probes_to_json(read: Probes) -> object:
    def arrays(named: Mapping[str, NDArray[Any]]) -> dict[str, object]:
        return {name: [array.shape, hashlib.sha256(array.tobytes()).hexdigest()] for name, array in named.items()}

    probes = [
        {
            "name": probe.name,
            "inputs": arrays(probe.inputs),
            "outputs": arrays(probe.outputs),
            "strides": dict(probe.strides),
            "prompt": probe.prompt,
        }
        for probe in read.probes
    ]
    return {"reference": read.reference, "probes": probes, "training": repr(read.training)}


def _comparable(verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict without what differs between libraries, or between versions of Python."""
    made = dict(verdict)
    if "message" in made:
        # Whether `repr` shows a character or its escape is a matter of the version of Unicode.
        made["message"] = made["message"].encode("ascii", "backslashreplace").decode()
        made["message"] = re.sub(r"(is no safetensors file of probes) \(.*\)", r"\1", made["message"])
        if sys.version_info >= (3, 13):  # its sentences on JSON are others
            made["message"] = re.sub(r"(text that is no UTF-8 JSON) \(.*\)", r"\1", made["message"])
    return made


def _hex(path: str | os.PathLike[str]) -> str:
    return os.fsencode(path).hex()
