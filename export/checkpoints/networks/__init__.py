"""A network from its config and its tensors: what every form of checkpoint shares, and what is refused by name."""
