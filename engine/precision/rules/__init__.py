"""Rules of what stays in float32 in half precision, one a file."""
