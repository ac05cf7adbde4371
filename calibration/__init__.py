"""What is measured on a bundle before it ships."""
