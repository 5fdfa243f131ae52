"""Makes docs/run.svg, the README's picture of a run: `make picture`."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

RUNBOOKS = ("supply-outage-long", "over-voltage")


def main() -> None:
    """Run two runbooks on the emulated rig and draw what the terminal showed."""
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "bench.cli", "run", *RUNBOOKS, "--rig", "rigs/emulated.yaml", "--out", out]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    shown = done.stdout.replace(out, "evidence").rpartition("  signed by")[0]
    console = Console(record=True, width=112, file=io.StringIO(), force_terminal=True)
    text = Text(f"$ hilbench run {' '.join(RUNBOOKS)} --rig rigs/emulated.yaml\n" + shown)
    for pattern, style in ((r"  pass  ", "green"), (r"PASSED|verified", "bold green"), (r"\$ .*", "bold")):
        text.highlight_regex(pattern, style)
    console.print(text)
    # The fonts would be fetched from the network by whoever looks at the picture.
    drawing = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="hilbench"), flags=re.DOTALL)
    (root / "docs" / "run.svg").write_text(drawing)


if __name__ == "__main__":
    main()
