"""Tensor table to safetensors: byte ranges copied in constant memory, nothing unpickled."""

from scanner.convert.files import foresee, to_file
from scanner.convert.options import Container, Conversion, Dropped, Options, Precision, Weights

__all__ = [
    "Container",
    "Conversion",
    "Dropped",
    "Options",
    "Precision",
    "Weights",
    "foresee",
    "to_file",
]
