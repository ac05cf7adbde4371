"""How the demo models' checkpoints are trained. Needs the `[export]` extra."""
