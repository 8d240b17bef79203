"""What is wrong with the weights, or merely in them, without running the model."""

from scanner.health.checks import check
from scanner.health.values import Values

__all__ = ["Values", "check"]
