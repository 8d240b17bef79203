"""System checks: what would make the site unsafe or unable to work, said before it starts."""

from __future__ import annotations
