"""LatentLink beside other engines: the same model, prompt, seed, steps, size and threads, each in its own process."""
