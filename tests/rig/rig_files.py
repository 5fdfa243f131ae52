"""The rig files of the project, and ones that differ from the emulated bench in one place."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
RIG = (ROOT / "rigs" / "emulated.yaml").read_text()


def rig_with(tmp_path: Path, old: str, new: str) -> Path:
    assert old in RIG, f"the rig file no longer has {old!r}"
    (tmp_path / "duts").mkdir(exist_ok=True)
    (tmp_path / "duts" / "emulated.yaml").write_text((ROOT / "rigs" / "duts" / "emulated.yaml").read_text())
    path = tmp_path / "rig.yaml"
    path.write_text(RIG.replace(old, new, 1))
    return path
