"""Random-weight checkpoints of real families: the same classes, files and quirks, without the pictures."""
