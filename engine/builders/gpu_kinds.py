"""What an engine is built for that runs on an NVIDIA GPU: kinds of GPU, and the CUDA version of their driver."""

from __future__ import annotations

import re

from latentlink.engine.builders.job import Job
from latentlink.engine.targets import TARGETS, this_machine
from latentlink.errors import PreflightError


def capabilities(job: Job) -> list[str]:
    """Compute capabilities to build for; none where those are the target's usual ones.

    Raises:
        PreflightError: It builds for the GPU that is here, and there is none.
    """
    if TARGETS[job.target].local:
        return kinds_of_gpu(job.target)
    return [*dict.fromkeys(job.options.compute_capabilities)]


def kinds_of_gpu(target: str) -> list[str]:
    """The compute capability of the GPU that is here, which a target builds for.

    Raises:
        PreflightError: There is none.
    """
    gpus = this_machine().gpus
    if not gpus:
        raise PreflightError(
            f"The target {target} builds on a GPU of the kind that it will run on, and this machine has no CUDA "
            "device.",
            remedy="Build on such a machine, or for tensorrt-rtx, which needs none to build.",
        )
    return ["{}.{}".format(*gpus[0].capability)]


def least_cuda(job: Job) -> str:
    """The least CUDA version that a driver must run: any minor one of the major that the package was made for."""
    machine = this_machine()
    for package in TARGETS[job.target].packages:
        for name in package.distributions:
            if name in machine.versions and (found := re.search(r"cu(\d+)", name)):
                return f"{found[1]}.0"
    return f"{machine.driver[0]}.0" if machine.driver else "12.0"
