"""How fast the bench is: `make bench`, or `python -m tests.benchmarks [NAME...]`; docs/performance.md tells more."""
