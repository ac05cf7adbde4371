"""Latents to pictures and back: tiles within a memory budget, a wider engine where one overflowed."""
