"""Write torch files ourselves: for tools that load nothing but a pickle, and for samples.

The pickle holds plain values and the few names that every loader allows, so that torch's
``weights_only`` loading and any scanner find it clean.
"""

from scanner.writer.arrays import Array, Tree
from scanner.writer.hypernetworks import hypernetwork_tree
from scanner.writer.opcodes import DTYPES
from scanner.writer.torch_zip import write_torch_zip

__all__ = ["DTYPES", "Array", "Tree", "hypernetwork_tree", "write_torch_zip"]
