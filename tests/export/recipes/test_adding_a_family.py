"""The walk-through of docs/adding-a-family.md: its code, taken from the page, exports AuraFlow as diffusers runs it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import latentlink
from latentlink.bench.checkpoints.specs import TokenizerSpec
from latentlink.bench.checkpoints.tokenizers import write_tokenizer
from latentlink.engine.build import build_bundle
from latentlink.export import recipes
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.exporter import export_checkpoint
from latentlink.export.recipes import RECIPES

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-family.md"


@pytest.fixture
def auraflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's recipe as a module, entered in the table as the page says."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    file = tmp_path / "auraflow.py"
    file.write_text(code[1], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("auraflow", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(recipes, "RECIPES", {**RECIPES, "auraflow": module.RECIPE})
    return module


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """AuraFlow's classes with random weights and odd dimensions."""
    import torch
    from diffusers import (
        AuraFlowPipeline,
        AuraFlowTransformer2DModel,
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
    )
    from transformers import T5TokenizerFast, UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    tokenizer = tmp_path / "tokenizer"
    write_tokenizer(tokenizer, TokenizerSpec(kind="T5TokenizerFast", vocabulary=300, pad="<pad>", length=256))
    words = T5TokenizerFast.from_pretrained(tokenizer)
    transformer = AuraFlowTransformer2DModel(
        sample_size=8,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=8,
        num_attention_heads=3,
        joint_attention_dim=20,
        caption_projection_dim=24,
        pos_embed_max_size=100,
    )
    for weights in transformer.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    AuraFlowPipeline(
        tokenizer=words,
        text_encoder=UMT5EncoderModel(
            UMT5Config(vocab_size=len(words), d_model=20, d_kv=4, d_ff=28, num_layers=2, num_heads=5)
        ),
        vae=AutoencoderKL(
            block_out_channels=(8, 12),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            layers_per_block=1,
            norm_num_groups=4,
            scaling_factor=0.13025,
        ),
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.73),
    ).save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.mark.slow
@pytest.mark.usefixtures("auraflow")
def test_the_pages_recipe_makes_the_latents_that_diffusers_makes(checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from diffusers import AuraFlowPipeline

    # no picture is read here
    manifest = export_checkpoint(checkpoint, tmp_path / "export", options=ExportOptions(without=("vae_encoder",)))
    assert manifest.family == "auraflow"
    build_bundle(tmp_path / "export", tmp_path / "bundle")
    theirs = AuraFlowPipeline.from_pretrained(checkpoint)
    theirs.set_progress_bar_config(disable=True)
    with latentlink.load(tmp_path / "bundle") as pipe:
        for width, height, count in ((16, 16, 1), (24, 16, 2)):
            wanted = theirs(
                "a red circle",
                negative_prompt="green",
                num_inference_steps=6,
                num_images_per_prompt=count,
                generator=torch.Generator().manual_seed(3),
                width=width,
                height=height,
                output_type="latent",
            ).images.numpy()
            made = pipe.generate(
                "a red circle",
                negative_prompt="green",
                steps=6,
                num_images=count,
                batch_seed=True,
                seed=3,
                width=width,
                height=height,
                guard="off",  # random weights
            ).latents.array
            assert made.std() > 0.1
            # float32 on both sides, six steps
            assert np.linalg.norm(made - wanted) / np.linalg.norm(wanted) < 1e-4
