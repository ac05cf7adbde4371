"""Runs the code of a notebook without Jupyter. `python -m tests.notebook docs/tour.ipynb` writes its outputs again.

A notebook of the project is plain Python, so that its cells run one after the other in one namespace, as in a kernel.
That finds what breaks a notebook, a changed API or an output that no longer holds, without the nearly forty packages
of a kernel, and with the traceback of the line. What only Jupyter has (magics, `display`) is no part of such a
notebook.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import linecache
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
"""A cell, an output or a whole notebook, as nbformat 4.5 writes it."""


def read(path: Path) -> Record:
    """Read a notebook."""
    notebook: Record = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def code_cells(notebook: Record) -> list[Record]:
    """The cells with code, in their order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(notebook: Record) -> Iterator[list[Record]]:
    """Run the code cells in a fresh namespace, and yield the outputs of each."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(notebook), 1):
        yield _run_cell("".join(cell["source"]), number, namespace)


def markdown(notebook: Record) -> str:
    """The notebook as a page: its text, and its code in blocks."""
    parts = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        parts.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
    return "\n\n".join(parts)


def _run_cell(source: str, number: int, namespace: dict[str, Any]) -> list[Record]:
    name = f"<cell {number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for tracebacks
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with redirect_stdout(printed):
        exec(compile(tree, name, "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    outputs: list[Record] = []
    if text := printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)})
    if value is not None:
        data = _data(value)
        outputs.append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    return outputs


def _data(value: object) -> Mapping[str, Any]:
    """A value as Jupyter shows it: a picture if it is one, and text."""
    if (draw := getattr(value, "_repr_png_", None)) is None:
        return {"text/plain": repr(value).splitlines(keepends=True)}
    words = f"<{type(value).__module__}.{type(value).__qualname__}>"
    return {"image/png": base64.b64encode(draw()).decode() + "\n", "text/plain": [words]}


def main(path: Path) -> None:
    """Run a notebook, and write it with the outputs of this run."""
    notebook = read(path)
    for number, (cell, outputs) in enumerate(zip(code_cells(notebook), run(notebook), strict=True), 1):
        cell |= {"outputs": outputs, "execution_count": number}
    path.write_text(json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
