"""What a component's values are, told so shortly that a report can hold it: see
``docs/identity.md``."""

from scanner.lineage.prints import METHOD, Prints

__all__ = ["METHOD", "Prints"]
