"""Measurements, also side by side with other systems."""
