"""What a file is: kind, base, components, from names and shapes and a few bytes of values."""

from scanner.identify.identity import identify

__all__ = ["identify"]
