"""What is wrong with the weights, or merely in them, without running the model."""

from scanner.health.blocks import prepare
from scanner.health.checks import check

__all__ = ["check", "prepare"]
