"""What a component computes in: float32, float16 or bfloat16, chosen after the export by passes over its graph.

A pass is a file, with what it requires and what it ensures. `convert` runs them in order:

    widen       everything is float32 and no cast between floats is left; the ports stay as they are
    rules       which nodes are to stay float32, each with its reason
    retype      the other nodes, and their weights, become float16 or bfloat16; casts where both meet
"""

from latentlink.engine.precision.conversion import PRECISIONS, convert
from latentlink.engine.precision.conversion_report import ConversionReport, KeptNode

__all__ = ["PRECISIONS", "KeptNode", "ConversionReport", "convert"]
