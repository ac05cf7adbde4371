"""Builders: one component's graph compiled for one target. The table names each target's module; it is imported when used."""
