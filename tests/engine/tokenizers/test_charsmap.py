"""SentencePiece's table: a whole one is followed, and one that leads out of its arrays is found before it is used."""

from __future__ import annotations

import base64
import random

import numpy as np
import pytest
from tokenizers import normalizers

from latentlink.engine.tokenizers.charsmap import problem_of
from tests.engine.tokenizers.samples import charsmap

WHOLE = charsmap({"\t": " ", "ﬁ": "fi", "ﷺ": "x" * 18})
TEXT = "a\tﬁ ﷺ é \U0010ffff\0" + "".join(map(chr, range(1, 0x300)))


def test_a_table_replaces_characters_as_it_says() -> None:
    assert problem_of(WHOLE) == ""
    assert normalizers.Precompiled(base64.b64decode(WHOLE)).normalize_str("a\tﬁ!") == "a fi!"


@pytest.mark.parametrize(
    "table",
    [
        "",
        "not base64!",
        base64.b64encode(b"\0\4\0\0").decode(),  # a trie that is not there
        base64.b64encode(b"\3\0\0\0" + bytes(8)).decode(),  # a trie of no whole units
        base64.b64encode((4).to_bytes(4, "little") + bytes(4) + b"x\0").decode(),  # a trie of one unit
        base64.b64encode(base64.b64decode(WHOLE) + b"\xff").decode(),  # a text that is no UTF-8
    ],
)
def test_what_is_no_table_is_named(table: str) -> None:
    assert "expected a table of sentencepiece" in problem_of(table)


def test_a_table_with_a_changed_unit_is_refused_or_safe_to_follow(capfd: pytest.CaptureFixture[str]) -> None:
    draw, refused = random.Random(5), 0
    raw = base64.b64decode(WHOLE)
    used = np.flatnonzero(np.frombuffer(raw, "<u4", int.from_bytes(raw[:4], "little") // 4, 4))
    for _ in range(400):
        changed = bytearray(raw)
        at = 4 + 4 * int(draw.choice(used)) + draw.randrange(4)
        changed[at] ^= 1 << draw.randrange(8)
        if problem_of(base64.b64encode(changed).decode()):
            refused += 1
        else:
            normalizers.Precompiled(bytes(changed)).normalize_str(TEXT)  # a panic would end the test
    assert 100 < refused < 400
    assert "panicked" not in capfd.readouterr().err
