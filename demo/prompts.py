"""The captions that a demo bundle is calibrated with: a line each, on standard output.

They are captions that training saw, none of them held out, so that what is measured with the held-out ones is honest.
"""

from __future__ import annotations

import hashlib
import sys

from latentlink.demo.grammar import scenes


def calibration_prompts() -> tuple[str, ...]:
    """Every caption that is not held out, in an order of its own, so that the first few are a mixture."""
    captions = [scene.caption for scene in scenes() if not scene.held_out]
    return tuple(sorted(captions, key=lambda caption: hashlib.sha256(b"calibration " + caption.encode()).digest()))


if __name__ == "__main__":
    sys.stdout.writelines(f"{caption}\n" for caption in calibration_prompts())
