"""Checkpoints: directories, hub ids, single files and Optimum's exports, read into modules."""

from __future__ import annotations

from latentlink.export.checkpoints.checkpoint import Checkpoint
from latentlink.export.checkpoints.directory.tokenizer_files import copy_tokenizer
from latentlink.export.checkpoints.networks.part_names import option
from latentlink.export.checkpoints.options import ExportOptions

__all__ = [
    # a checkpoint, and what the user asks of its export
    "Checkpoint",
    "ExportOptions",
    "option",
    # a tokenizer's own files
    "copy_tokenizer",
]  # fmt: skip
