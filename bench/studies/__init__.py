"""Questions that were settled by measurement, each a command."""
