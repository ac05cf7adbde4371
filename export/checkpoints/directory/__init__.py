"""Checkpoints that are directories: their configs, weights and tokenizers, local or of the Hub."""
