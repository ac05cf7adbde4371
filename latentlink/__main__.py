"""`python -m latentlink`."""

from latentlink.cli import main

main()
