"""Single `.safetensors` files in the layouts that models are published in before anybody converts them."""
