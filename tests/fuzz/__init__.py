"""Fuzzing without an outside fuzzer: `python -m tests.fuzz.gbcs --inputs N --seed S`."""
