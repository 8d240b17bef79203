"""Where a file's bytes go, what is odd about that, and what such a file is called."""

from scanner.ledger.accounts import account

__all__ = ["account"]
