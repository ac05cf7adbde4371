"""Builders compile one component's graph for one target. `table.py` names each target's module, imported when used."""
