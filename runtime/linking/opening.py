"""One engine of a bundle, opened as `load` was asked to: for a target, with so many threads, within budgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from latentlink.engine.bundle import Bundle, EngineEntry
from latentlink.engine.quality.precisions import RANGES
from latentlink.engine.targets import TARGETS, preflight
from latentlink.errors import LatentLinkError, PreflightError, UsageError
from latentlink.runtime.linking.choice import choose
from latentlink.runtime.linking.link import Engine
from latentlink.runtime.linking.residency import Residency, Resident
from latentlink.runtime.sessions import open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How engines are opened; the arguments are those of `latentlink.runtime.loading.load`.

    Args:
        target: A key of `TARGETS`, or `auto`.
        threads: Of one engine's run.
        memory: Budget of the VAE's runs.
        room: Budget of the engines that are open at once.

    Raises:
        UsageError: The target is unknown.
    """

    target: str = "auto"
    threads: int | None = None
    memory: int | None = None
    room: Residency | None = None

    def __post_init__(self) -> None:
        if self.target != "auto" and self.target not in TARGETS:
            raise UsageError(f"Unknown target {self.target!r}; expected auto or one of: {', '.join(TARGETS)}.")

    def decided(self, title: str, source: Bundle) -> list[str]:
        """Which engine of every component runs on this machine, and which were passed over; nothing is opened.

        Args:
            title: Name of the bundle, for messages.
            source: The bundle.

        Raises:
            PreflightError: None of a component's can run here.
            BundleError: A fingerprint was edited.
        """
        choices = [choose(component, title, source, self.target) for component in source.manifest.components]
        return [note for choice in choices for note in choice.notes()]

    def best(self, component: str, title: str, source: Bundle) -> tuple[Engine, EngineEntry, list[str]]:
        """Open the engine that is to run on this machine.

        Args:
            component: One that the bundle has.
            title: Name of the bundle, for messages.
            source: The bundle.

        Returns:
            The engine, its record, and what was decided, for people.

        Raises:
            PreflightError: None can run here.
            BundleError: It is damaged, or its fingerprint was edited.
            UsageError: It is larger than what may be open, or a budget cannot be kept with it.
        """
        refused: dict[tuple[str, str], LatentLinkError] = {}
        while True:
            choice = choose(component, title, source, self.target, refused)
            try:
                engine = self.open(component, title, source, choice.engine)
            except PreflightError as error:
                if self.target != "auto":
                    raise
                # what its own runtime found, which no fingerprint tells
                refused[choice.engine.target, choice.engine.path] = error
                continue
            break
        notes = choice.notes()
        notes[-1] += _placed(choice.engine, engine)
        return engine, choice.engine, notes

    def wider(
        self, component: str, title: str, source: Bundle, than: EngineEntry
    ) -> tuple[Callable[[], Engine], EngineEntry] | None:
        """What opens an engine that holds larger numbers than another, for where that overflows; None without one.

        Raises:
            UsageError: It is larger than what may be open.
        """
        for entry in source.manifest.components[component].engines:
            wide = RANGES.get(entry.precision, 0) > RANGES.get(than.precision, 0)
            if wide and self.target in ("auto", entry.target) and preflight(entry) is None:
                if self.room is not None:
                    self.room.check(f"{component} of {title} in {entry.precision}", _size(source, entry))
                return partial(self.open, component, title, source, entry), entry
        return None

    def open(self, component: str, title: str, source: Bundle, entry: EngineEntry) -> Engine:
        """Open one engine.

        Raises:
            As `best`.
        """
        declared = source.manifest.components[component]
        pictures = any(port.kind == "image" for port in (*declared.inputs, *declared.outputs))
        varied = pictures and self.memory is not None
        if varied and TARGETS[entry.target].gpu:
            raise UsageError(
                f"{component} of {title} runs on a GPU ({entry.target}), whose memory no budget is measured for.",
                remedy="Leave memory out, or build the VAE for a size that fits: larger pictures take several passes.",
            )
        path = source.file(entry.path)
        opener = partial(open_session, path, entry.target, threads=self.threads, varied=varied)
        engine_title = f"{component} of {title}"
        return Engine(
            component=component,
            bundle=title,
            session=opener()
            if self.room is None
            else Resident(title=engine_title, path=path, size=_size(source, entry), opener=opener, residency=self.room),
            declared=(declared.inputs, declared.outputs),
            limits=entry.limits,
        )


def _placed(entry: EngineEntry, engine: Engine) -> str:
    """On which providers the nodes of a GPU engine run: what goes to the CPU is slow, and must not go there unseen."""
    if not TARGETS[entry.target].gpu:
        return ""
    return "".join(
        f", {count} nodes on {name}" if number == 0 else f", {count} on {name}"
        for number, (name, count) in enumerate(engine.session.placement().items())
    )


def _size(source: Bundle, entry: EngineEntry) -> int:
    """Bytes of an engine's files: all in its folder."""
    folder = entry.path.rpartition("/")[0]
    return sum(file.size for path, file in source.manifest.files.items() if path.rpartition("/")[0] == folder)
