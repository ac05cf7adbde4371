"""Parts that the user gives to a checkpoint, from a directory or a file of their own."""
