"""A directory exported by Optimum, read as a checkpoint: recipes make components around its plain graphs.

Layout (optimum-onnx 0.1): `model_index.json` as diffusers writes it, `text_encoder[_2,_3]/`, `unet/` or
`transformer/`, `vae_decoder/` and, to encode pictures, `vae_encoder/`, each with `model.onnx` and
`config.json`; `tokenizer[_2,_3]/` and `scheduler/` as in a checkpoint.

A recipe asks for networks and gets stand-in modules for the graphs, so it needs no code for this form. Questions that a
graph cannot answer are refused: its inner layers, and the identity of its weights, see `PlainWeights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.json_file import read_json
from latentlink.export.checkpoints.directory.source import DiffusersDirectory
from latentlink.export.checkpoints.networks.making import outline
from latentlink.export.checkpoints.optimum.networks import NETWORKS
from latentlink.export.checkpoints.optimum.vae import VaeStandIn, decoder_of, encoder_of
from latentlink.export.checkpoints.optimum.weights import PlainWeights, refuse_nan
from latentlink.export.graphs import PlainGraph

FILE = "model.onnx"
DENOISERS = ("unet", "transformer")


def is_optimum_directory(path: Path) -> bool:
    """Whether this is Optimum's layout: an index, and a denoiser with a graph instead of weights."""
    return (path / "model_index.json").is_file() and any(
        (path / part / FILE).is_file() and not any((path / part).glob("*.safetensors")) for part in DENOISERS
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimumDirectory:
    """Plain graphs with the configs of their networks: one form of checkpoints.

    Args:
        root: The directory.
        directory: The parts shared with a diffusers directory: index, configs, tokenizers, scheduler.
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
        tokenizers: Mapping[str, Path] | None = None,
    ) -> OptimumDirectory:
        """Read the index; the graphs are not read yet.

        Args:
            root: The directory.
            dtype: Compute dtype of the export.
            names_space: Whether the user named the latent space.
            prediction: Prediction type named by the user, if any.
            tokenizers: Folder with a tokenizer from elsewhere, by part.

        Raises:
            CheckpointError: The index cannot be read.
        """
        directory = DiffusersDirectory.open(root, prediction=prediction, tokenizers=tokenizers)
        return cls(root=root, directory=directory, dtype=dtype, names_space=names_space)

    @property
    def classes(self) -> Mapping[str, str]:
        """Class name of every part; the two graphs of the VAE are one part."""
        return self.directory.classes

    @property
    def index(self) -> Mapping[str, Any]:
        """The other entries of `model_index.json`."""
        return self.directory.index

    @property
    def absent(self) -> frozenset[str]:
        """Optional components that the directory does not hold."""
        return frozenset() if (self.root / "vae_encoder").is_dir() else frozenset({"vae_encoder"})

    @property
    def notes(self) -> Mapping[str, str]:
        """See `DiffusersDirectory.notes`."""
        return self.directory.notes

    def config(self, part: str) -> Mapping[str, Any]:
        """The config of a part; for the VAE, that of its decoder.

        Raises:
            CheckpointError: The config is missing or cannot be read.
        """
        return read_json(self.root / "vae_decoder" / "config.json") if part == "vae" else self.directory.config(part)

    def folder(self, part: str) -> Path:
        """The folder of a tokenizer.

        Raises:
            CheckpointError: The folder is missing.
        """
        return self.directory.folder(part)

    def network(self, part: str, cls: Any) -> Any:
        """A stand-in module for the part's graph that is called like a `cls`.

        Raises:
            CheckpointError: The part is missing, or its graph cannot be imported.
        """
        if part == "vae":
            return self._vae(cls)
        if cls.__name__ not in NETWORKS:
            raise CheckpointError(
                f"{part} is a {cls.__name__}; Optimum's graphs are supported for: {', '.join(NETWORKS)}.",
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
                "The directory has no vae_encoder, whose weights would identify a latent space of its own.",
                remedy="Name a known space with --space, or export the encoder too.",
            )
        elif not self.names_space:
            refusal = CheckpointError(
                "The directory's configs do not say which known latent space this is, and in an ONNX graph the VAE's "
                "weights no longer have the names and values that would identify it.",
                remedy="Name it with --space: a known space, or a name for a space of its own.",
            )
        weights = PlainWeights((encoder or decoder).path, prefix="encoder.", refusal=refusal)
        reads = None if encoder is None else encoder_of(encoder, config)
        return VaeStandIn(decoder_of(decoder, config), reads, config, weights).eval()

    def _graph(self, folder: str) -> PlainGraph:
        graph = PlainGraph.read(self.root / folder / FILE)
        refuse_nan(graph.path, graph.title)
        # A recipe decides by --dtype whether a VAE overflows, so a float16 VAE needs --dtype float16; one that was kept
        # in float32 because of overflows is fine with either.
        wide = folder.startswith("vae") and graph.dtype == "float32"
        if self.dtype != graph.dtype and not wide:
            raise CheckpointError(
                f"{graph.title} is in {graph.dtype}, but --dtype is {self.dtype}; a graph keeps its dtype.",
                remedy=f"Give --dtype {graph.dtype}, or export again with Optimum's --dtype.",
            )
        return graph


def _config(kind: Any, stated: Mapping[str, Any], graph: PlainGraph) -> Any:
    """The config with the class's defaults, as a network of that class has it; no memory is allocated for weights."""
    where = repr(str(graph.path.parent))
    return outline(kind, stated, PlainWeights(graph.path), where, remedy="Get the whole directory again.").config
