"""Rewritings of a graph, one a file, that a target needs or gains by."""
