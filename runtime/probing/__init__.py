"""Probes: running engines on golden inputs, and judging one that is to take another's place."""
