"""Graph passes, one per file, that make engines of a target possible or faster."""
