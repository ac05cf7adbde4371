"""One generation as it was requested, and as it was resolved: sizes, prompts, pictures, limits."""
