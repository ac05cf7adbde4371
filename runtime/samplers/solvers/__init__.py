"""Solvers: one file each, from the paper's update to rows of coefficients."""
