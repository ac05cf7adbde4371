"""The common parts of the commands: options, printing, pictures, the table of `--against`."""
