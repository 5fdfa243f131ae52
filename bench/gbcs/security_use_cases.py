"""Security credentials: use cases."""

from __future__ import annotations

from bench.gbcs.use_case import UseCase

USE_CASES: tuple[UseCase, ...] = ()
"""In the order of their message codes."""
