"""`python -m latentlink.cli`."""

from latentlink.cli import main

main()
