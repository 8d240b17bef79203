"""The command line: inspect · convert · smoke · explain · policy · selftest."""

from scanner.cli.command import main

__all__ = ["main"]
