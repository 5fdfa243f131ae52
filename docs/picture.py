"""Makes the pictures in docs/: of a run, and of the cockpit as the tests of the screens hold it: `make picture`."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

SNAPSHOTS = Path("tests/screens/__snapshots__/test_pictures")
SCREENS = {
    "tui.svg": "test_screens[160x50][rig-160x50].svg",
    "tui-run.svg": "test_screens[160x50][run-160x50].svg",
    "tui-question.svg": "test_a_question_is_asked_with_its_picture[80x24][asked-80x24].svg",
}
RUNBOOKS = ("supply-outage-long", "over-voltage")


def main() -> None:
    """Copy the screens; run two runbooks on the emulated rig and draw what the terminal showed."""
    root = Path(__file__).parent.parent
    for name, snapshot in SCREENS.items():
        shutil.copy(root / SNAPSHOTS / snapshot, root / "docs" / name)
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
