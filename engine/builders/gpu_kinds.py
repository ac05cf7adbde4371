"""For NVIDIA GPUs: the compute capabilities that an engine is built for, and the CUDA version that it needs."""

from __future__ import annotations

import re

from latentlink.engine.builders.job import Job
from latentlink.engine.targets import TARGETS, this_machine
from latentlink.errors import PreflightError

NO_GPU = "The target {target} builds on a GPU of the kind that it will run on, and this machine has no CUDA device."
NO_GPU_REMEDY = "Build on such a machine, or for tensorrt-rtx, which needs none to build."


def capabilities(job: Job) -> list[str]:
    """Compute capabilities to build for; empty for the target's default ones.

    Raises:
        PreflightError: The target builds for the GPU of this machine, and there is none.
    """
    if not TARGETS[job.target].local:
        return [*dict.fromkeys(job.options.compute_capabilities)]
    gpus = this_machine().gpus
    if not gpus:
        raise PreflightError(NO_GPU.format(target=job.target), remedy=NO_GPU_REMEDY)
    return ["{}.{}".format(*gpus[0].capability)]


def least_cuda(job: Job) -> str:
    """The least CUDA version that the driver must support: version X.0 of the major that the package was made for."""
    machine = this_machine()
    for package in TARGETS[job.target].packages:
        for name in package.distributions:
            if name in machine.versions and (found := re.search(r"cu(\d+)", name)):
                return f"{found[1]}.0"
    return f"{machine.driver[0]}.0" if machine.driver else "12.0"
