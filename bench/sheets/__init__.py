"""Pictures in rows and columns, with their figures."""
