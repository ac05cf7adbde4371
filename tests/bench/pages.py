"""Tables of measurements in Markdown pages."""

from __future__ import annotations

BEGIN, END = "<!-- bench: {} -->", "<!-- /bench -->"
"""Lines around a table in a page, with the JSON file that it is made from."""


def with_table(page: str, name: str, table: str) -> str:
    """A page with the table between its lines for a file replaced.

    Args:
        page: Text that has `BEGIN` with `name` and `END`.
        name: The JSON file as the page names it.
        table: Of `markdown`.

    Raises:
        ValueError: The page has no such lines.
    """
    before, begin, rest = page.partition(BEGIN.format(name))
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN.format(name)} and {END}")
    return f"{before}{begin}\n{table}{end}{after}"
