"""Opening a bundle's engines with the arguments of `load`: target, threads and memory budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from latentlink.checks import byte_count, check_threads, choice
from latentlink.engine.bundle import SHALLOW, EngineEntry
from latentlink.engine.quality.precisions import RANGES
from latentlink.engine.targets import TARGETS, preflight
from latentlink.errors import LatentLinkError, PreflightError, UsageError
from latentlink.runtime.linking.choice import choose
from latentlink.runtime.linking.decisions import Decision, Skipped
from latentlink.runtime.linking.engine_memory import EngineMemory, ReopeningSession
from latentlink.runtime.linking.link import Engine
from latentlink.runtime.linking.source import ComponentSource
from latentlink.runtime.sessions import open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEngine:
    """An engine that was chosen and opened.

    Args:
        engine: The open engine.
        source: The component and bundle that it comes from.
        entry: Its entry in the manifest.
        skipped: The engines that were preferred to it, and skipped.
    """

    engine: Engine
    source: ComponentSource
    entry: EngineEntry
    skipped: tuple[Skipped, ...] = ()

    def decision(self) -> Decision:
        """The decision so far, without the result of probes."""
        placement = self.engine.session.placement() if TARGETS[self.entry.target].gpu else {}
        return Decision(
            component=self.source.component,
            bundle=self.source.name,
            target=self.entry.target,
            precision=self.entry.precision,
            skipped=self.skipped,
            placement=placement,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How engines are opened; the arguments are those of `latentlink.load`.

    Args:
        target: A key of `TARGETS`, or `auto`.
        threads: Threads for one engine's run.
        vae_memory: Memory budget for runs of the VAE.
        engine_memory: Memory budget for the open engines.

    Raises:
        UsageError: The target is unknown, or a number is not in its range.
    """

    target: str = "auto"
    threads: int | None = None
    vae_memory: int | None = None
    engine_memory: EngineMemory | None = None

    def __post_init__(self) -> None:
        choice("target", self.target, ("auto", *TARGETS))
        if self.threads is not None:
            object.__setattr__(self, "threads", check_threads(self.threads))
        if self.vae_memory is not None:
            object.__setattr__(self, "vae_memory", byte_count("vae_memory", self.vae_memory))

    def decide(self, source: ComponentSource) -> Decision:
        """Which engine of a component would run on this machine; nothing is opened.

        Raises:
            PreflightError: None can run here.
            BundleError: A fingerprint was edited.
        """
        engine, skipped = choose(source, self.target)
        return Decision(
            component=source.component,
            bundle=source.name,
            target=engine.target,
            precision=engine.precision,
            skipped=skipped,
        )

    def best(self, source: ComponentSource) -> OpenedEngine:
        """Open the engine of a component that is to run on this machine.

        Raises:
            PreflightError: None can run here.
            BundleError: It is damaged, or its fingerprint was edited.
            UsageError: It is larger than the engine budget, or the VAE budget cannot be kept with it.
        """
        refusals: dict[tuple[str, str], LatentLinkError] = {}
        while True:
            entry, skipped = choose(source, self.target, refusals)
            try:
                return OpenedEngine(engine=self.open(source, entry), source=source, entry=entry, skipped=skipped)
            except PreflightError as error:
                if self.target != "auto":
                    raise
                # its own runtime found what no fingerprint can tell
                refusals[entry.target, entry.path] = error

    def wider(self, opened: OpenedEngine) -> tuple[Callable[[], Engine], EngineEntry] | None:
        """A function that opens an engine of a wider number range, in case this one overflows; None without one.

        Raises:
            UsageError: It is larger than the engine budget.
        """
        source, narrow = opened.source, RANGES.get(opened.entry.precision, 0)
        for entry in source.entry.engines:
            wide = RANGES.get(entry.precision, 0) > narrow
            if wide and self.target in ("auto", entry.target) and preflight(entry) is None:
                if self.engine_memory is not None:
                    self.engine_memory.check(f"{source} in {entry.precision}", source.size(entry))
                return partial(self.open, source, entry), entry
        return None

    def open(self, source: ComponentSource, entry: EngineEntry) -> Engine:
        """Open one engine of a component.

        Raises:
            As `best`.
        """
        declared = source.entry
        pictures = any(port.kind == "image" for port in (*declared.inputs, *declared.outputs))
        low_memory = pictures and self.vae_memory is not None
        if low_memory and TARGETS[entry.target].gpu:
            raise UsageError(
                f"{source} runs on a GPU ({entry.target}), for which no memory budget can be measured.",
                remedy="Leave vae_memory out, or build the VAE for a size that fits: larger pictures "
                "are processed in several passes.",
            )
        path = source.bundle.file(entry.path)
        opener = partial(open_session, path, entry.target, threads=self.threads, low_memory=low_memory)
        return Engine(
            component=source.component,
            bundle=source.name,
            session=opener()
            if self.engine_memory is None
            else ReopeningSession(
                title=str(source), path=path, size=source.size(entry), opener=opener, memory=self.engine_memory
            ),
            declared=(declared.inputs, declared.outputs),
            limits=entry.limits,
        )


def no_step_cache(source: ComponentSource, target: str) -> Decision:
    """The decision to go without a shallow denoiser, as there is none for the target of the whole one."""
    return Decision(
        component=SHALLOW,
        bundle=source.name,
        target=None,
        precision=None,
        skipped=(
            Skipped(
                component=SHALLOW,
                target=target,
                precision="",
                code="no-engine",
                needed=f"an engine for {target}",
                found=f"none in {source.name}",
                remedy=f"Build it: latentlink build EXPORTED BUNDLE --target {target}.",
            ),
        ),
    )


def close_all(engines: Sequence[OpenedEngine]) -> None:
    """Close engines that are no longer needed."""
    for opened in engines:
        opened.engine.session.close()
