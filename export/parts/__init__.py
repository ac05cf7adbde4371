"""The parts of a model as modules to trace: text encoders, the step, the halves of a VAE."""
