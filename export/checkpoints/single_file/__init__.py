"""Single `.safetensors` files in the layouts that models were first published in."""
