"""Measurements, also in comparison with other systems."""
