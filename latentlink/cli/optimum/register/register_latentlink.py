"""Read by `optimum-cli` at its start: installed into the namespace package `optimum.commands.register`."""

from __future__ import annotations

from optimum.commands.export.base import ExportCommand

from latentlink.cli.optimum.command import ExportLatentLink

REGISTER_COMMANDS = [(ExportLatentLink, ExportCommand)]
