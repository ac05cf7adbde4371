"""The tokenizers library, given only what was checked; whatever it raises is a fault of the bundle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from latentlink.engine.bundle import REMEDY
from latentlink.engine.tokenizers import MAX_BYTES, TokenizerFormatError, read_tokenizer
from latentlink.errors import BundleError


def open_tokenizer(file: Path, name: str) -> Tokenizer:
    """Read a `tokenizer.json`, which is not trusted.

    Args:
        file: The file.
        name: What messages call it.

    Raises:
        BundleError: It is not one that a bundle may have, or that the library reads.
        OSError: It cannot be read.
    """
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    try:
        text = read_tokenizer(data)
    except TokenizerFormatError as error:
        raise BundleError(f"{name} is no tokenizer that a bundle may have. {error.message}", remedy=REMEDY) from None
    with _blaming(name):
        return Tokenizer.from_str(text)


def encode(tokenizer: Tokenizer, text: str, name: str) -> Encoding:
    """The tokens of a text, without start and end.

    Raises:
        BundleError: The tokenizer fails.
    """
    with _blaming(name):
        return tokenizer.encode(text, add_special_tokens=False)


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Turn what the library raises into a BundleError.

    It raises plain exceptions, and where its own code fails a panic, which is no `Exception`: as if it were Ctrl-C, a
    server would end with it.
    """
    try:
        yield
    except MemoryError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise BundleError(
            f"{name} is not a tokenizer that the tokenizers library reads ({str(error)[:200]!r}).", remedy=REMEDY
        ) from None
