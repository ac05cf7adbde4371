"""The native runtime is one namespace, so that two types by one name would be one to the linker."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

NATIVE = Path(__file__).parents[2] / "runtime" / "native"

TYPE = re.compile(r"^(?:class|struct|enum class) (\w+)(?: final)?(?: :[^;]*)? \{", re.MULTILINE)
"""A type that is defined at the outermost level."""


def shared_types(source: str) -> list[str]:
    """The types of a file that other files could name: none of `namespace {`."""
    without = re.sub(r"^namespace \{$.*?^\}  // namespace$", "", source, flags=re.MULTILINE | re.DOTALL)
    return TYPE.findall(without)


def test_a_type_has_a_name_of_its_own() -> None:
    files = [path for path in NATIVE.rglob("*") if path.suffix in (".cpp", ".h")]
    named = Counter(name for path in files for name in shared_types(path.read_text(encoding="utf-8")))
    assert len(named) > 200
    assert [name for name, count in named.items() if count > 1] == []


def test_types_of_one_file_are_not_shared() -> None:
    source = "namespace {\n\nstruct Own {\n};\n\n}  // namespace\n\nclass Shared final : public Base {\n};\n"
    assert shared_types(source) == ["Shared"]
