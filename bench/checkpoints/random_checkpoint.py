"""Random-weight checkpoints with the classes and sizes of a real family: the same work, but no usable pictures.

python -m latentlink.bench.checkpoints.random_checkpoint sd15 OUT             # Stable Diffusion 1.5's true size, 4.3 GB
python -m latentlink.bench.checkpoints.random_checkpoint sdxl OUT float16     # Stable Diffusion XL's true size, 6.9 GB
python -m latentlink.bench.checkpoints.random_checkpoint tiny-sdxl OUT        # the same classes, 1 MB
"""

from __future__ import annotations

import sys
from pathlib import Path

from latentlink.bench.checkpoints.table import CHECKPOINTS, make_checkpoint

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) < 2 or arguments[0] not in CHECKPOINTS or arguments[2:] not in ([], ["float32"], ["float16"]):
        names = "|".join(CHECKPOINTS)
        sys.exit(f"usage: python -m latentlink.bench.checkpoints.random_checkpoint {names} OUT [float32|float16]")
    make_checkpoint(arguments[0], Path(arguments[1]), dtype=(arguments[2:] or ["float32"])[0])
