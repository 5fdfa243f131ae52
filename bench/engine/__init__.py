"""The engine: carries one runbook out on a live rig, step by step, and always brings the rig home."""

from bench.engine.run import Engine

__all__ = ["Engine"]
