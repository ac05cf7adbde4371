"""Structured mutations, one file for each kind of input. Each edits a copy of valid input in place."""
