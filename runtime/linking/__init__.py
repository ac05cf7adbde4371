"""Choosing, opening and linking the engines of a pipeline."""
