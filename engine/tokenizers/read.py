"""Read an untrusted `tokenizer.json`: limit, parse, validate, and hand on only what was validated."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from latentlink.engine.tokenizers.fields import TokenizerFormatError, fields, one_of
from latentlink.engine.tokenizers.kinds import check_normalizer, check_pre_tokenizer
from latentlink.engine.tokenizers.models import check_added, check_model

MAX_BYTES = 40 << 20
MAX_VALUES = 1 << 23
"""Most commas and brackets: parsed values take up to thirty times their bytes."""

IGNORED = ("truncation", "padding", "post_processor", "decoder")
"""Keys that the library never gets: start, end and padding are in the manifest, and no text is made of ids."""

_CHECKS = {
    "version": one_of("1.0"),
    "added_tokens": check_added,
    "normalizer": check_normalizer,
    "pre_tokenizer": check_pre_tokenizer,
    "model": check_model,
}


def read_tokenizer(data: bytes) -> str:
    """The parts of a `tokenizer.json` that make ids of a text, as JSON for the tokenizers library.

    What is returned is safe to give to the library: it has no step that could take long, multiply a text, or lead the
    library out of its tables.

    Args:
        data: The file.

    Raises:
        TokenizerFormatError: It is too large, no JSON, or holds what a bundle's tokenizer may not have
            (docs/bundle-format.md).
    """
    if len(data) > MAX_BYTES:
        raise TokenizerFormatError("", f"received {len(data)} bytes, expected at most {MAX_BYTES}")
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise TokenizerFormatError("", f"received more than {MAX_VALUES} values, expected fewer")
    try:
        record: Any = json.loads(data.decode(), parse_constant=_refuse_constant)
    except ValueError as error:
        raise TokenizerFormatError("", f"received text that is no UTF-8 JSON ({error}), expected an object") from None
    except RecursionError:
        raise TokenizerFormatError("", "received values nested without end, expected flat records") from None
    fields("", record, _CHECKS, dict.fromkeys(IGNORED, lambda *_: None))
    kept = {key: record[key] for key in _CHECKS} | dict.fromkeys(IGNORED)
    return json.dumps(kept, ensure_ascii=False, check_circular=False)


def _refuse_constant(text: str) -> NoReturn:
    raise TokenizerFormatError("", f"received {text}, expected finite numbers")
