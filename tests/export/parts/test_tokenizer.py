"""Tokenizers as an export writes them and the runtime reads them: the ids are those that diffusers' pipelines read."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import diffusers
import numpy as np
import pytest
import transformers
from diffusers.loaders import TextualInversionLoaderMixin

from latentlink.bench.checkpoints import make_checkpoint
from latentlink.bench.checkpoints.specs import TokenizerSpec
from latentlink.bench.checkpoints.tokenizers import write_tokenizer
from latentlink.errors import CheckpointError, UsageError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.parts import clip_tokenizer, t5_tokenizer
from latentlink.export.recipes import find_recipe
from tests.parity.suite import SPACES

if TYPE_CHECKING:
    from tests.export.parts.conftest import Read

Kind: TypeAlias = Literal["CLIPTokenizer", "T5TokenizerFast"]

WORDS = ("<cat-toy>", "<cat-toy>_1", "<cat-toy>_2", "<one>", "<Upper>", "<Upper>_1", "toy", "toy_1")
VECTORS = {"<cat-toy>": 3, "<Upper>": 2, "toy": 2}
"""Textual inversions of several vectors, one of a single vector, and one that is part of other words."""

PROMPTS = (
    "a <cat-toy> on grass",
    "<cat-toy>",
    "<cat-toy><cat-toy> and  <cat-toy>, (<cat-toy>)",
    "a<cat-toy>b",
    "a <Cat-Toy> on grass",
    "an <upper> and an <Upper>",
    "<one> and <one>_1",
    "toys in a toybox, Toy, toy_1, toy_2",
    "<cat-toy>_1 and <cat-toy>_2",
    "<cat-toy>_12",
    "cat-toy, <cat toy>, < cat-toy >",
    "a cat",
    "",
)


def with_words(folder: Path, kind: Kind) -> Any:
    """A small tokenizer with textual inversions, as `load_textual_inversion` adds and `save_pretrained` keeps them."""
    pad = "<|endoftext|>" if kind == "CLIPTokenizer" else "<pad>"
    write_tokenizer(folder, TokenizerSpec(kind=kind, vocabulary=600, pad=pad, length=77))
    tokenizer = getattr(transformers, kind).from_pretrained(folder)
    for word in WORDS:
        tokenizer.add_tokens(word)
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.mark.parametrize("kind", ["CLIPTokenizer", "T5TokenizerFast"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_textual_inversion_of_several_vectors_is_read_as_diffusers_reads_it(
    tmp_path: Path, read: Read, kind: Kind, prompt: str
) -> None:
    theirs = with_words(tmp_path / "tokenizer", kind)
    make = clip_tokenizer if kind == "CLIPTokenizer" else t5_tokenizer
    exported = make(tmp_path / "tokenizer", 77, inversions=True)
    assert exported.vectors == VECTORS
    converted = TextualInversionLoaderMixin().maybe_convert_prompt(prompt, theirs)
    wanted = theirs(converted, padding="max_length", max_length=77, truncation=True).input_ids
    assert read(exported).tokens([prompt]).ids.tolist() == [[wanted]]


def test_a_weight_is_that_of_all_vectors(tmp_path: Path, read: Read) -> None:
    theirs = with_words(tmp_path / "tokenizer", "CLIPTokenizer")
    found = read(clip_tokenizer(tmp_path / "tokenizer", 77)).tokens(["a (<cat-toy>:1.3)"])
    ids = theirs.convert_tokens_to_ids(["a</w>", "<cat-toy>", "<cat-toy>_1", "<cat-toy>_2"])
    assert found.ids[0, 0, 1:5].tolist() == ids
    np.testing.assert_array_equal(found.weights[0, 0, 1:6], np.array([1, 1.3, 1.3, 1.3, 1], np.float32))


def test_a_prompt_that_its_vectors_make_too_long_is_refused_with_what_is_not_read(tmp_path: Path, read: Read) -> None:
    with_words(tmp_path / "tokenizer", "CLIPTokenizer")
    prompts = read(clip_tokenizer(tmp_path / "tokenizer", 7, "refuse"))
    with pytest.raises(UsageError, match=r"has 6 tokens, but the text encoder reads 5; .* not see: '<cat-toy>_2'"):
        prompts.tokens(["<cat-toy> <cat-toy>"])


@pytest.mark.parametrize(
    ("size", "pipeline"),
    [
        ("tiny-sd1", diffusers.StableDiffusionPipeline),
        ("tiny-sdxl", diffusers.StableDiffusionXLPipeline),
        ("tiny-sdxl-refiner", diffusers.StableDiffusionXLImg2ImgPipeline),
        ("tiny-sd3", diffusers.StableDiffusion3Pipeline),
        ("tiny-flux-dev", diffusers.FluxPipeline),
    ],
)
def test_the_families_read_them_whose_pipelines_do(tmp_path: Path, size: str, pipeline: type) -> None:
    root = make_checkpoint(size, tmp_path / "made")
    for folder in root.glob("tokenizer*"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens(list(WORDS))
        tokenizer.save_pretrained(folder)
        part = root / folder.name.replace("tokenizer", "text_encoder")
        kind = json.loads((part / "config.json").read_text())["architectures"][0]
        encoder = getattr(transformers, kind).from_pretrained(part)
        encoder.resize_token_embeddings(max(len(tokenizer), encoder.config.vocab_size))
        encoder.save_pretrained(part)
    checkpoint = Checkpoint.open(root, ExportOptions())
    components = find_recipe(checkpoint, "auto")[1].components(checkpoint, ExportOptions(space=SPACES[size]))
    found = [component.tokenizer.vectors for component in components if component.tokenizer is not None]
    assert found == [VECTORS if issubclass(pipeline, TextualInversionLoaderMixin) else {}] * len(found)
    assert found


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"padding_side": "left"}, "for ''; expected"),
        ({"split_special_tokens": True}, "for 'a <"),
        ({"truncation_side": "left"}, "for 'a red circle on a blue background"),
    ],
)
def test_a_tokenizer_that_lays_its_ids_out_in_another_way_is_refused(
    tiny: Path, tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    folder = shutil.copytree(tiny / "tokenizer", tmp_path / "tokenizer")
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    with pytest.raises(CheckpointError, match=re.escape(words)):
        clip_tokenizer(folder, 77)
    assert clip_tokenizer(tiny / "tokenizer", 77).max_length == 77


def test_a_tokenizer_of_a_broken_vocabulary_is_refused_in_a_sentence(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny / "tokenizer", tmp_path / "tokenizer")
    (folder / "tokenizer.json").unlink(missing_ok=True)
    (folder / "vocab.json").write_text("[]")
    with pytest.raises(CheckpointError, match="tokenizer"):
        clip_tokenizer(folder, 77)


def test_a_tokenizer_that_no_bundle_may_have_is_refused_when_it_is_exported(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny / "tokenizer", tmp_path / "tokenizer")
    tokenizer = transformers.CLIPTokenizerFast.from_pretrained(folder)
    tokenizer.add_tokens(["x" * 1025])
    tokenizer.save_pretrained(folder)
    with pytest.raises(
        CheckpointError, match=r"is not one that a bundle may have\. tokenizer\.json, added_tokens\[2\]"
    ):
        clip_tokenizer(folder, 77)


def test_the_largest_id_counts_added_tokens(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny / "tokenizer", tmp_path / "tokenizer")
    before = clip_tokenizer(folder, 77).largest_id
    tokenizer = transformers.CLIPTokenizerFast.from_pretrained(folder)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(folder)
    assert clip_tokenizer(folder, 77).largest_id == before + 1
    checkpoint = shutil.copytree(tiny, tmp_path / "checkpoint")
    shutil.copytree(folder, checkpoint / "tokenizer", dirs_exist_ok=True)
    opened = Checkpoint.open(checkpoint, ExportOptions(space="tiny"))
    with pytest.raises(CheckpointError, match=rf"ids up to {before + 1}, but the encoder knows {before + 1} of them"):
        list(find_recipe(opened, "auto")[1].components(opened, ExportOptions(space="tiny")))
