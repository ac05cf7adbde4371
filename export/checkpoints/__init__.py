"""Checkpoints: directories, hub ids, single files and Optimum's exports, read into modules."""
