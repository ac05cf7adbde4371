"""Requests: numbers of Python and numpy are taken, everything else is refused in a sentence and never breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from latentlink.engine.bundle import Sampling
from latentlink.errors import BundleError, UsageError
from latentlink.runtime.request import Request, check_sampling, resolve

CONDITIONS = {"original_size": ((0.0, 0.0), None), "aesthetic_score": ((6.0,), (2.5,))}


def defaults(steps: int = 20) -> Sampling:
    return Sampling(
        schedule={
            "num_train_timesteps": 1000,
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
            "prediction_type": "epsilon",
        },
        sampler="euler",
        steps=steps,
        guidance=5.0,
        width=64,
        height=64,
        size_multiple=16,
        conditions=CONDITIONS,
    )


def asked(
    sampling: Sampling | None = None,
    *,
    prompt: Any = "a",
    default_strength: Any = None,
    shallow: Any = False,
    **options: Any,
) -> Request:
    """The request of the first picture."""
    return asked_all(sampling, prompt=prompt, default_strength=default_strength, shallow=shallow, **options)[0]


def asked_all(
    sampling: Sampling | None = None,
    *,
    prompt: Any = "a",
    default_strength: Any = None,
    shallow: Any = False,
    **options: Any,
) -> tuple[Request, ...]:
    """The requests of all pictures."""
    chosen = {"seed": 0} | options
    return resolve(sampling or defaults(), prompt, chosen, default_strength=default_strength, shallow=shallow)


def schedule(**changed: Any) -> Sampling:
    return replace(defaults(), schedule={**defaults().schedule, **changed})


def test_the_settings_of_a_bundle_that_make_a_run_pass() -> None:
    check_sampling(defaults())


@pytest.mark.parametrize(
    ("sampling", "words"),
    [
        (schedule(beta_start="nan"), "beta_start 'nan'"),
        (schedule(beta_schedule="evil"), "beta_schedule 'evil'"),
        (schedule(num_train_timesteps=10**9), "num_train_timesteps 1000000000"),
        (schedule(hook="x"), "schedule key 'hook'"),
        (schedule(beta_end=1e308), "beta_end 1e"),
        (replace(defaults(), schedule={}), "expected"),
        (replace(defaults(), sampler="evil"), "sampler 'evil'"),
        (replace(defaults(), sampler="flow_euler"), "sampler 'flow_euler'"),
        (replace(defaults(), steps=10_000), "steps is 10000"),
        (replace(schedule(num_train_timesteps=10), steps=11), "steps 11"),
        (replace(schedule(timestep_spacing="leading", steps_offset=1), sampler="lms", steps=1000), "same"),
        (replace(defaults(), width=32_768, height=16), "width is 32768"),
    ],
)
def test_settings_of_a_bundle_that_make_no_run_are_the_bundles_fault(sampling: Sampling, words: str) -> None:
    with pytest.raises(BundleError, match=r"^manifest\.json, sampling: ") as caught:
        check_sampling(sampling)
    assert words in caught.value.message
    assert caught.value.remedy


def test_numbers_of_numpy_are_numbers() -> None:
    requests = asked_all(
        prompt=np.array(["a", "b"]),
        seed=np.array([3, 4]),
        steps=np.int64(7),
        guidance=np.float32(2.5),
        width=np.int32(128),
        strength=np.float16(0.5),
        conditions={"original_size": np.array([512, 256])},
    )
    request = requests[0]
    assert [one.prompt for one in requests] == ["a", "b"]
    assert [one.seed for one in requests] == [3, 4]
    assert (request.steps, request.guidance, request.width, request.strength) == (7, 2.5, 128, 0.5)
    assert request.conditions["original_size"] == ((512.0, 256.0), (512.0, 256.0))
    assert asked(seed=np.int64(5)).seed == 5
    assert type(asked(seed=np.int64(5)).seed) is int  # as it becomes JSON


def test_one_number_is_a_condition_of_one_number() -> None:
    assert asked(conditions={"aesthetic_score": 7}).conditions["aesthetic_score"] == ((7.0,), (2.5,))
    assert asked(conditions={"aesthetic_score": np.array(7)}).conditions["aesthetic_score"] == ((7.0,), (2.5,))
    told = asked(conditions={"negative_aesthetic_score": 1.0}).conditions
    assert told["aesthetic_score"] == ((6.0,), (1.0,))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"prompt": None}, "Received NoneType for a prompt; expected text"),
        ({"prompt": b"a"}, "Received bytes for a prompt"),
        ({"prompt": ["a", None]}, "Received NoneType for a prompt"),
        ({"prompt": ["a", 1]}, "Received int for a prompt"),
        ({"prompt": {"a": 1}}, "Received dict for a prompt"),
        ({"prompt": np.array([1.0])}, "Received float64 for a prompt"),
        ({"prompt": "a" * 20_001}, "The prompt has 20001 characters; expected at most 20000"),
        ({"prompt": "ab\udcff"}, r"The prompt holds '\udcff' at character 3, which is no text"),
        ({"negative_prompt": [None]}, "Received NoneType for a negative prompt"),
        ({"negative_prompt": 5}, "Received int for a negative prompt"),
        ({"seed": 1.0}, "seed is 1.0; expected a whole number"),
        ({"seed": "1"}, "seed is '1'"),
        ({"seed": True}, "seed is True"),
        ({"seed": [1.5]}, "seed is 1.5"),
        ({"seed": np.array([0.5])}, "seed is 0.5"),
        ({"seed": 2**64}, "expected a whole number from"),
        ({"steps": "9"}, "steps is '9'"),
        ({"steps": 9.0}, "steps is 9.0"),
        ({"steps": np.ones(2)}, "2 values of steps for 1 pictures; expected one for all, or one a picture"),
        ({"steps": np.ones(1)}, "steps is 1.0"),
        ({"guidance": [1, 2]}, "2 values of guidance for 1 pictures"),
        ({"sampler": ["euler", "ddim"]}, "2 values of sampler for 1 pictures"),
        ({"batch_seed": "yes"}, "batch_seed is 'yes'; expected True or False"),
        ({"batch_seed": True, "seed": [3]}, "from one seed, but received 1; expected one"),
        (
            {"batch_seed": True, "num_images": 2, "steps": [3, 4]},
            "run the same steps of the same sampler; received several. Leave batch_seed out",
        ),
        ({"width": "64"}, "width is '64'"),
        ({"guidance": "7"}, "guidance is '7'; expected 0 to 1000"),
        ({"guidance": float("inf")}, "guidance is inf"),
        ({"shift": "3"}, "shift is '3'; expected a number above 0"),
        ({"eta": []}, r"eta is []; expected 0 to 1"),
        ({"strength": "0.5"}, "strength is '0.5'; expected 0 to 1"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"denoising_start": "0.5"}, "denoising_start is '0.5'"),
        ({"denoising_end": [0.5]}, "denoising_end is [0.5]"),
        ({"noise": ["torch"]}, "Unknown noise ['torch']"),
        ({"conditions": [("original_size", (1, 1))]}, "Received list for conditions; expected a mapping"),
        ({"conditions": {5: 1}}, "Unknown condition 5"),
        ({"conditions": {"original_size": 5}}, "The condition original_size is 5; expected 2 finite numbers"),
        ({"conditions": {"original_size": None}}, "The condition original_size is None"),
        ({"conditions": {"original_size": "12"}}, "The condition original_size is '1'"),
        ({"conditions": {"original_size": (1, float("inf"))}}, "The condition original_size is inf"),
        ({"conditions": {"aesthetic_score": {"a": 1}}}, "The condition aesthetic_score is {'a': 1}; expected 1 finite"),
        ({"conditions": {"original_size": (1, 10**400)}}, "expected 2 finite numbers"),
    ],
)
def test_what_is_not_of_its_type_is_refused_in_one_sentence(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        asked(**arguments)
    assert says in str(refused.value)


def test_the_strength_that_nobody_gave_leaves_a_step() -> None:
    assert asked(defaults(steps=1), default_strength=0.8).strength == 1
    assert asked(steps=2, default_strength=0.8).strength == 0.8
    assert asked().strength == 1
    assert asked(defaults(steps=1), default_strength=0.8, strength=0.3).strength == 0.3


def test_a_request_names_the_sampler_and_its_levels_by_their_own_names() -> None:
    request = asked(sampler="DPM++ 2M Karras", steps=20)
    assert (request.sampler, request.spacing, request.sigmas) == ("dpmpp_2m", None, "karras")
    assert asked(sampler="Euler a", spacing="normal").spacing == "linspace"


def test_several_pictures_have_the_seeds_that_follow() -> None:
    assert [one.seed for one in asked_all(prompt=["a", "b"], num_images=2, seed=7)] == [7, 8, 9, 10]
    assert [one.prompt for one in asked_all(prompt=["a", "b"], num_images=2, seed=7)] == ["a", "a", "b", "b"]
    assert [one.seed for one in asked_all(num_images=3, seed=2**64 - 2)] == [2**64 - 2, 2**64 - 1, 0]
    # -1 stands for a random seed, so that the stream of -1 is called by its other name
    assert [one.seed for one in asked_all(num_images=3, seed=-2)] == [-2, 2**64 - 1, 0]
    assert [one.seed for one in asked_all(num_images=3, seed=7, batch_seed=True)] == [7, 7, 7]


def test_minus_one_is_a_random_seed_that_the_request_names() -> None:
    drawn = [asked(seed=-1).seed for _ in range(4)]
    assert len({*drawn}) > 1  # equal by chance once in 2**96
    assert all(0 <= seed < 2**32 for seed in drawn)
    first, second = asked_all(num_images=2, seed=[-1, 5])
    assert (first.seed >= 0, second.seed) == (True, 5)


def test_a_picture_may_have_settings_of_its_own() -> None:
    one, two = asked_all(
        num_images=2, steps=[3, 4], guidance=[1.0, 7], sampler=["euler", "DPM++ 2M Karras"], seed=[5, 5]
    )
    assert (one.steps, one.guidance, one.sampler, one.sigmas) == (3, 1.0, "euler", None)
    assert (two.steps, two.guidance, two.sampler, two.sigmas) == (4, 7.0, "dpmpp_2m", "karras")
    assert [(one.number, one.count), (two.number, two.count)] == [(1, 2), (2, 2)]
