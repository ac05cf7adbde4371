"""Prompts to embeddings: tokens, weights, pieces."""
