"""Precision conversion: passes over an exported graph that make it compute in float32, float16 or bfloat16.

Every pass is a file that says what it requires and ensures. `convert` runs them in this order:

    widen       everything becomes float32 without casts between floats; the ports keep their types
    rules       find the nodes that have to stay float32, each with its reason
    retype      the other nodes and their weights become float16 or bfloat16, with casts between the two kinds
"""

from latentlink.engine.precision.conversion import PRECISIONS, convert
from latentlink.engine.precision.conversion_report import ConversionReport, KeptNode

__all__ = ["PRECISIONS", "KeptNode", "ConversionReport", "convert"]
