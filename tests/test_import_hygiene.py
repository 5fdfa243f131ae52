"""What is loaded when: the headless path brings no screens, no emulator, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("textual", "aiohttp", "pymodbus", "amqtt", "aiomqtt", "lxml", "cryptography", "pyvisa", "pydantic", "yaml")


def loaded_after(code: str) -> set[str]:
    """Names of the modules that are loaded in a new process after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return set(done.stdout.splitlines())


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_command_line_loads_nothing_heavy_before_it_is_needed() -> None:
    modules = loaded_after("import bench.cli")
    assert "bench.cli" in modules
    assert packages(modules) & {*HEAVY, "drivers", "asyncio", "tarfile", "ssl"} == set()


def test_the_benchmarks_can_be_loaded() -> None:
    """No other test runs them, so that a name that moved would go unseen."""
    assert "tests.benchmarks.service" in loaded_after("import tests.benchmarks.__main__")


def test_the_headless_path_loads_no_driver_no_emulator_and_no_screen_of_its_own() -> None:
    modules = loaded_after("import bench.runner, bench.rig.check, bench.terminal, bench.emulate")
    assert "bench.engine" in modules
    assert packages(modules) & {"textual", "drivers", "pymodbus", "amqtt", "aiomqtt", "pyvisa"} == set()


LOAD_ALL = """
from pathlib import Path
from bench.rig.installed import driver_class
from bench.runner import prepare
rig, planned = prepare(Path('rigs/{rig}.yaml'), ['supply-outage-short', 'ic02'])
assert planned
"""


def test_a_rig_with_hardware_loads_its_drivers_and_no_emulator() -> None:
    modules = loaded_after(LOAD_ALL.format(rig="example-lab"))
    assert {"drivers.ac_source", "drivers.gateway"} <= modules
    assert [name for name in modules if name.startswith("drivers.emulated")] == []
    assert packages(modules) & {"textual", "amqtt"} == set()


def test_planning_on_an_emulated_rig_loads_no_emulator_but_running_it_does() -> None:
    modules = loaded_after(LOAD_ALL.format(rig="emulated"))
    assert [name for name in modules if name.startswith("drivers.emulated")] == []
    build = "from bench.rig.installed import emulator_class\nemulator_class()\n"
    assert "drivers.emulated.bench" in loaded_after(LOAD_ALL.format(rig="emulated") + build)


def test_importing_a_driver_loads_no_emulator_and_no_engine() -> None:
    drivers = [path.stem for path in (ROOT / "drivers").glob("*.py") if path.stem != "__init__"]
    modules = loaded_after("".join(f"import drivers.{name}\n" for name in sorted(drivers)))
    assert [name for name in modules if name.startswith("drivers.emulated")] == []
    assert {"bench.engine", "bench.rig.session", "bench.runbook", "bench.runner", "bench.cli"} & modules == set()
    assert "textual" not in packages(modules)


@pytest.mark.parametrize("path", sorted((ROOT / "bench").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_of_the_controller_imports_a_driver(path: Path) -> None:
    screens = path.is_relative_to(ROOT / "bench" / "screens")
    forbidden = {"drivers", "tests"} | (set() if screens else {"textual"})
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert not {name.partition(".")[0] for name in names} & forbidden, f"line {node.lineno}"  # type: ignore[attr-defined]


def test_the_layers_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint], capture_output=True, text=True, timeout=50, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
