"""The command line: inspect · convert · smoke · explain · policy."""

from scanner.cli.command import main

__all__ = ["main"]
