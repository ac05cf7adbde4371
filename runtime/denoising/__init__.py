"""The loop: where it starts, what it is conditioned on, and one engine run for every row."""
