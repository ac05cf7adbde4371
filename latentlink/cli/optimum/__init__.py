"""This package's command of `optimum-cli`."""
