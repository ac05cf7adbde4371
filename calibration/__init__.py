"""What is measured on a model before it ships: its latents for the guards, its activations for quantised engines."""
