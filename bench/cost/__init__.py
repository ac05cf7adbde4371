"""What a run costs: seconds, memory, operations."""
