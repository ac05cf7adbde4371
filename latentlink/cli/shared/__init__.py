"""What several commands have: options, printing, pictures, the table of `--against`."""
