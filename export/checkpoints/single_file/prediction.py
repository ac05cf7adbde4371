"""Prediction type of a single file's denoiser: by evidence or the user's option, else refused with a question.

The tensor `global_step` is no evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.single_file.family import FLOW, Family
from latentlink.export.checkpoints.single_file.header import TensorFile

# By convention, v-prediction finetunes hold a tensor with the first name; the second marks training down to a
# signal-to-noise ratio of zero (https://arxiv.org/abs/2305.08891).
V_PREDICTION = "v_pred"
ZERO_SNR = "ztsnr"

# Preconditioning of https://arxiv.org/abs/2206.00364, which no sampler here supports.
EDM = ("edm_mean", "edm_vpred.sigma_max")

# https://github.com/Stability-AI/ModelSpec: metadata that tools write into the header.
METADATA = "modelspec.prediction_type"
METADATA_VALUES = {"epsilon": "epsilon", "v": "v_prediction"}


def find_prediction(file: TensorFile, family: Family, override: str | None) -> str:
    """Prediction type of a file's denoiser: a key of `family.training`.

    Args:
        file: The file.
        family: The family it was recognised as.
        override: Value of the user's `--prediction`, if any.

    Raises:
        CheckpointError: The evidence contradicts itself or the user's option, or does not suffice.
    """
    for name in EDM:
        if name in file.shapes:
            raise CheckpointError(
                f"{str(file.path)!r} holds {name!r}: its denoiser is preconditioned as in EDM, and no sampler here is."
            )
    if family.usual_prediction == FLOW:
        if override is not None:
            raise CheckpointError(
                f"--prediction {override} was given, but {family.title} predicts a flow.",
                remedy="Leave --prediction out.",
            )
        return FLOW
    evidence = dict(_evidence(file))
    if override is not None and V_PREDICTION in file.shapes and override != "v_prediction":
        raise CheckpointError(
            f"--prediction {override} was given, but {str(file.path)!r} holds {V_PREDICTION!r}, which says "
            "v_prediction.",
            remedy="Leave --prediction out, or remove that tensor from the file.",
        )
    if override is not None:
        return override
    predictions = {*evidence.values()}
    if len(predictions) == 1:
        return predictions.pop()
    if predictions:
        raise CheckpointError(
            f"{str(file.path)!r} contradicts itself about what the denoiser predicts: "
            + ", ".join(f"{what} says {value}" for what, value in evidence.items())
            + ".",
            remedy="Which is it? Say so with --prediction epsilon or --prediction v_prediction.",
        )
    if family.usual_prediction is None:
        raise CheckpointError(
            f"{str(file.path)!r} is of {family.title}, whose models predict epsilon (the base models of 512 pixels) or "
            "v (those of 768 pixels), and nothing in the file says which.",
            remedy="Which is it? Say so with --prediction epsilon or --prediction v_prediction.",
        )
    return family.usual_prediction


def zero_snr(file: TensorFile) -> bool:
    """Whether the model was trained down to a signal-to-noise ratio of zero."""
    return ZERO_SNR in file.shapes


def _evidence(file: TensorFile) -> Iterator[tuple[str, str]]:
    if V_PREDICTION in file.shapes:
        yield f"the key {V_PREDICTION!r}", "v_prediction"
    value = METADATA_VALUES.get(file.metadata.get(METADATA, ""))
    if value is not None:
        yield f"the header's {METADATA}", value
