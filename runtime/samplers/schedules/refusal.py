"""The errors of this package: what was received, what was expected, and what to do."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from latentlink.checks import shown
from latentlink.errors import UsageError

# Settings that no table of coefficients can express, and why.
DATA_DEPENDENT = {
    "thresholding": "it rescales each picture by a quantile of its own values",
    "clip_sample": "it clamps the predicted picture, so the update is no longer linear in it",
    "guidance_rescale": "it multiplies by a ratio of the standard deviations of two predictions",
    "dpm_adaptive": "it chooses the next step from the error of the last one",
    "dpmpp_sde": "the noise of its steps comes from one Brownian path, so that no step's is independent",
    "learned": "the model predicts the variance of each pixel",
    "learned_range": "the model predicts the variance of each pixel",
}


INSTEAD = {"dpm_adaptive": "dpmpp_2m", "dpmpp_sde": "dpmpp_2m_sde"}
"""The nearest supported samplers."""


def refusal(received: str, expected: str, remedy: str) -> UsageError:
    """Make an error; all errors of this package are made here."""
    return UsageError(f"Received {received}; expected {expected}.", remedy=remedy)


def data_dependent(name: str) -> UsageError:
    """The error for a member of `DATA_DEPENDENT`."""
    instead = INSTEAD.get(name)
    return refusal(
        f"{name!r}, which is not supported: {DATA_DEPENDENT[name]}",
        "a setting that only scales and adds what the model predicts",
        f"Leave it out, or use {instead!r}." if instead else "Leave it out.",
    )


def one_of(name: object, options: Collection[str], *, what: str, whose: str = "") -> str:
    """`name`, if it is one of `options`.

    Raises:
        UsageError: It is not. The message suggests the closest option.
    """
    if isinstance(name, str) and name in options:
        return name
    if isinstance(name, str) and name in DATA_DEPENDENT:
        raise data_dependent(name)
    if not options:
        raise refusal(f"{what} {shown(name)}{whose}", "none, as it has no such setting", f"Leave {what} out.")
    close = get_close_matches(name.lower(), options, n=1, cutoff=0.5) if isinstance(name, str) else []
    remedy = f"Did you mean {close[0]!r}?" if close else f"Choose another {what}."
    raise refusal(f"{what} {shown(name)}{whose}", f"one of {', '.join(options)}", remedy)
