"""Amounts as people read them."""

from __future__ import annotations


def bytes_in_words(count: int) -> str:
    """A number of bytes in the unit that suits it: `12 bytes`, `3.4 MB`, `17.18 GB`."""
    if count < 1000:
        return f"{count} bytes"
    amount = float(count)
    for unit in ("kB", "MB"):
        amount /= 1000
        if amount < 1000:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.2f} GB"
