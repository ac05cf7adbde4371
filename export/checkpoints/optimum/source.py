"""A directory that Optimum exported, read as a checkpoint: recipes make their components around its plain graphs.

Layout (optimum-onnx 0.1): `model_index.json` as diffusers writes it, `text_encoder[_2,_3]/`, `unet/` or
`transformer/`, `vae_decoder/` and, if pictures are to be encoded, `vae_encoder/`, each with `model.onnx` and
`config.json`; `tokenizer[_2,_3]/` and `scheduler/` as in a checkpoint.

A recipe asks for networks and gets modules that stand for the graphs, so nothing in it knows of this file. What a
graph cannot answer is refused: what is inside it, and whose weights it has, see `PlainWeights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.json_file import read_json
from latentlink.export.checkpoints.directory.source import DiffusersDirectory
from latentlink.export.checkpoints.optimum.networks import NETWORKS
from latentlink.export.checkpoints.optimum.vae import VaeStandIn, decoder_of, encoder_of
from latentlink.export.checkpoints.optimum.weights import PlainWeights
from latentlink.export.graphs import PlainGraph

FILE = "model.onnx"
DENOISERS = ("unet", "transformer")


def is_optimum_directory(path: Path) -> bool:
    """Whether this is Optimum's layout: an index, and a denoiser's graph where a checkpoint has its weights."""
    return (path / "model_index.json").is_file() and any(
        (path / part / FILE).is_file() and not any((path / part).glob("*.safetensors")) for part in DENOISERS
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimumDirectory:
    """Plain graphs with the configs of the networks they came from: one form that checkpoints come in.

    Args:
        root: The directory.
        directory: What it has in common with a diffusers directory: index, configs, tokenizers, scheduler.
        dtype: Compute dtype of the export; graphs stay in the dtype that they have, so the two must agree.
        names_space: Whether the user named the latent space, which a graph cannot tell.
    """

    root: Path
    directory: DiffusersDirectory
    dtype: str
    names_space: bool

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        dtype: str = "float32",
        names_space: bool = False,
        prediction: str | None = None,
        tokenizer: Path | None = None,
    ) -> OptimumDirectory:
        """Read the index; the graphs are not read yet.

        Args:
            root: The directory.
            dtype: Compute dtype of the export.
            names_space: Whether the user named the latent space.
            prediction: Prediction type named by the user, if any.
            tokenizer: Folder of tokenizers named by the user, if any.

        Raises:
            CheckpointError: The index cannot be read.
        """
        directory = DiffusersDirectory.open(root, prediction=prediction, tokenizer=tokenizer)
        return cls(root=root, directory=directory, dtype=dtype, names_space=names_space)

    @property
    def classes(self) -> Mapping[str, str]:
        """Class name of every part; the two graphs of the VAE are one part."""
        return self.directory.classes

    @property
    def index(self) -> Mapping[str, Any]:
        """What `model_index.json` says besides the classes."""
        return self.directory.index

    @property
    def absent(self) -> frozenset[str]:
        """Components that the directory can do without and does."""
        return frozenset() if (self.root / "vae_encoder").is_dir() else frozenset({"vae_encoder"})

    def config(self, part: str) -> Mapping[str, Any]:
        """The config of a part; of the VAE, that of its decoder.

        Raises:
            CheckpointError: It is missing or cannot be read.
        """
        return read_json(self.root / "vae_decoder" / "config.json") if part == "vae" else self.directory.config(part)

    def folder(self, part: str) -> Path:
        """The folder of a tokenizer.

        Raises:
            CheckpointError: It is missing.
        """
        return self.directory.folder(part)

    def network(self, part: str, cls: Any) -> Any:
        """A module that stands for the part's graph, and is called like a `cls`.

        Raises:
            CheckpointError: The part is missing, or its graph is not one that can be imported.
        """
        if part == "vae":
            return self._vae(cls)
        if cls.__name__ not in NETWORKS:
            raise CheckpointError(
                f"{part} is a {cls.__name__}; of Optimum's graphs these are read: {', '.join(NETWORKS)}.",
                remedy="Export from the checkpoint's own weights instead.",
            )
        graph = self._graph(part)
        module = NETWORKS[cls.__name__].stand_in(graph, _config(cls, self.config(part), graph))
        module.weights = PlainWeights(graph.path)
        return module.eval()

    def _vae(self, kind: Any) -> VaeStandIn:
        decoder = self._graph("vae_decoder")
        config = _config(kind, self.config("vae"), decoder)
        encoder = None if self.absent else self._graph("vae_encoder")
        refusal = None
        if encoder is None:
            refusal = CheckpointError(
                "The directory has no vae_encoder, whose weights tell a latent space of its own from others.",
                remedy="Name a known space with --space, or export the encoder too.",
            )
        elif not self.names_space:
            refusal = CheckpointError(
                "The directory's configs do not say which latent space it is of the known ones, and in an ONNX graph "
                "the VAE's weights no longer have the names and values that would tell it.",
                remedy="Which is it? Say so with --space: a known one, or a name for a space of its own.",
            )
        weights = PlainWeights((encoder or decoder).path, prefix="encoder.", refusal=refusal)
        reads = None if encoder is None else encoder_of(encoder, config)
        return VaeStandIn(decoder_of(decoder, config), reads, config, weights).eval()

    def _graph(self, folder: str) -> PlainGraph:
        graph = PlainGraph.read(self.root / folder / FILE)
        # A recipe decides by --dtype whether a VAE overflows, so a float16 one must be announced; one that was kept in
        # float32 for that reason is as it should be.
        wide = folder.startswith("vae") and graph.dtype == "float32"
        if self.dtype != graph.dtype and not wide:
            raise CheckpointError(
                f"{graph.title} is in {graph.dtype}, but --dtype is {self.dtype}; a graph stays in the dtype that it "
                "has.",
                remedy=f"Say --dtype {graph.dtype}, or export again with Optimum's --dtype.",
            )
        return graph


def _config(kind: Any, stated: Mapping[str, Any], graph: PlainGraph) -> Any:
    """The config with the class's defaults, as a network of that class has it. No memory is taken for weights."""
    values = {key: value for key, value in stated.items() if not key.startswith("_")}
    try:
        with torch.device("meta"):
            if hasattr(kind, "config_class") and kind.config_class is not None:
                return kind.config_class(**values)
            return kind.from_config(values).config
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"{graph.path.parent.name}/config.json is no config of a {kind.__name__}: {error}.",
            remedy="Get the whole directory again.",
        ) from None
