"""The program: `hilbench`, and `python -m bench.cli`."""

import sys

from bench import loading
from bench.cli import main


def start() -> None:
    """Do what the command line says."""
    if sys.argv[1:2] in (["run"], ["serve"]):
        # Opening the rig ends it, or a few seconds: an engine may do the run, or another rig may have the source.
        loading.begin()
    main()


if __name__ == "__main__":
    start()
