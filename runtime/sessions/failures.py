"""Whose exception it is that leaves an engine's run: the library's, or that of a caller's signal handler."""

from __future__ import annotations

LIBRARIES = ("latentlink", "onnxruntime", "openvino", "numpy")


def by_the_caller(error: BaseException) -> bool:
    """Whether an exception was raised by code of neither this package nor an engine's library. A RuntimeError, which is
    what libraries raise, is taken for theirs.

    Python runs signal handlers between any two instructions of the main thread, so what a handler raises, such as a
    deadline's TimeoutError, leaves whatever runs just then.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return not isinstance(error, RuntimeError) and module.partition(".")[0] not in LIBRARIES
