"""How well an engine agrees with its reference, and the least that is accepted."""
