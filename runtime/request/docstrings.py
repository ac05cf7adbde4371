"""Docstrings and signatures of functions that take the options of a generation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from textwrap import fill
from typing import Any, TypeVar

from latentlink.options import Option, table

_F = TypeVar("_F", bound=Callable[..., Any])


def documented(options: type) -> Callable[[_F], _F]:
    """Write the options that a class of `latentlink.options` describes into a function's signature and docstring,
    where `**options` stands.
    """

    def write(function: _F) -> _F:
        listed = table(options)
        own = inspect.signature(function)
        named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        keywords = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.annotation)
            for name, one in listed.items()
        ]
        function.__signature__ = own.replace(parameters=[*named, *keywords])  # type: ignore[attr-defined]
        doc = inspect.getdoc(function) or ""
        lines = [_paragraph(f"{name}: {describe(one)}") for name, one in listed.items()]
        before, _, after = doc.partition("    options: ")
        function.__doc__ = before + "\n".join(lines) + "\n" + after.partition("\n")[2]
        return function

    return write


def describe(option: Option) -> str:
    """An option in sentences: what it is, and its default."""
    default = option.default_text or ("" if option.default is None else str(option.default))
    return " ".join(part for part in (option.help, option.more, f"Default: {default}." if default else "") if part)


def _paragraph(text: str) -> str:
    """An argument in a docstring."""
    return fill(text, 110, initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False)
