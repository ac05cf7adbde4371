"""The same picture by diffusers and by this runtime."""
