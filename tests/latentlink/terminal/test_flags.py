"""Messages of the API, as the command line words them."""

from __future__ import annotations

import pytest

from latentlink.cli.commands.chain import command as chain
from latentlink.cli.commands.generate import command as generate
from latentlink.terminal.flags import in_flags


@pytest.mark.parametrize(
    ("message", "worded"),
    [
        ("steps is 0; expected a whole number.", "--steps is 0; expected a whole number."),
        ("strength 0.5 needs a picture. Leave strength out.", "--strength 0.5 needs a picture. Leave --strength out."),
        ("Give init_image or init_latents.", "Give --init-image or --init-latents."),
        ("Received shift 3; expected none.", "Received --shift 3; expected none."),
        ("Received sigmas 'x'. Leave sigmas out.", "Received --sigmas 'x'. Leave --sigmas out."),
        ("conditions is 3; expected a mapping.", "--condition is 3; expected a mapping."),
        ("Allow at least that: engine_memory=123.", "Allow at least that: --engine-memory 123."),
        ("Link by symbols alone: verify=False.", "Link by symbols alone: --no-verify."),
        ('guard="off" skips the guards.', "--guard off skips the guards."),
    ],
)
def test_arguments_become_options(message: str, worded: str) -> None:
    assert in_flags(message, generate.params) == worded


@pytest.mark.parametrize(
    "message",
    [
        "The steps of the sampler are 3.",
        "There is no file 'init_image'.",
        "init_image.png is no picture.",
        "KEY is one of: init_image, seed, init_latents.",
        "vae_decoder reads my_vae_memory_2.",
        "The vae_decoder of demo reads latents.",
    ],
)
def test_words_names_and_choices_stay(message: str) -> None:
    assert in_flags(message, generate.params) == message


def test_a_stage_of_a_chain_keeps_its_keys() -> None:
    assert in_flags("Give the one a denoising_end.", chain.params) == "Give the one a denoising_end."
