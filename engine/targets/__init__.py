"""Targets: what an engine is compiled for, what that needs of a machine, and the libraries that run it."""
