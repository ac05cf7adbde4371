"""The package's metadata when it is built: its only top-level name is its own.

One file is installed into Optimum's namespace `optimum.commands.register`. Without this class, the metadata would also
name `optimum`, and libraries that look up which distribution provides Optimum would find this one.
"""

from __future__ import annotations

from setuptools.command.egg_info import egg_info


class EggInfo(egg_info):
    """`egg_info` that lists only `latentlink` in `top_level.txt`."""

    def write_file(self, what: str, filename: str, data: str) -> None:
        """Write one file of the metadata."""
        super().write_file(what, filename, "latentlink\n" if what == "top-level names" else data)
