"""The command that `optimum-cli` has of this package."""
