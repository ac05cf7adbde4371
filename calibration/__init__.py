"""Measurements of a model before it ships: its latents, for the guards, and its activations, for quantised engines."""
