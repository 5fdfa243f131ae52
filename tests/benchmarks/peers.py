"""The same DUIS work by other public implementations, each in a process of its own, where it is installed.

None of them is needed for anything: what is missing is said in the table, with how to install it into the folder
`.peers` of the project (or another one, named by HILBENCH_PEERS). Times are the processor's; starting a process is not
counted, but for @smartdcc/duis-sign-wrap, which starts a JVM for each message: that is real time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bench.parties import KeyPair
from tests.benchmarks.result import ROOT, Result

PEERS = Path(os.environ.get("HILBENCH_PEERS", ROOT / ".peers"))
_HERE = Path(__file__).parent
_COUNT, _REPEATS, _JVM_STARTS = 200, 5, 3
_TIMEOUT_S = 120

_XMLSEC = PEERS / "venv" / "bin" / "python"
_PACKAGES = PEERS / "node_modules"
_NODE = "npm install --prefix .peers @smartdcc/duis-parser @smartdcc/duis-sign-wrap"
_INSTALL_XMLSEC = "python3 -m venv .peers/venv && .peers/venv/bin/pip install xmlsec lxml"


@dataclass(frozen=True, slots=True)
class _Peer:
    """One line of the table.

    Attributes:
        what: what was measured.
        needs: programs, and files or folders, without which it cannot be.
        install: how they come.
        command: prints microseconds, a line for each repeat.
        unit: "us", or "ms" for what takes long.
    """

    what: str
    needs: tuple[str | Path, ...]
    install: str
    command: tuple[str | Path, ...]
    unit: str = "us"


def peers(unsigned: bytes, signed: bytes, keys: KeyPair) -> list[Result]:
    """Every peer with one request, unsigned and signed by the bench.

    Args:
        unsigned: the document.
        signed: the same with the bench's signature.
        keys: of the User that has signed it.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        private, public = keys.private_key, keys.private_key.public_key()
        pkcs8, none = PrivateFormat.PKCS8, NoEncryption()
        for file, content in (
            ("unsigned.xml", unsigned),
            ("signed.xml", signed),
            ("key.pem", private.private_bytes(Encoding.PEM, pkcs8, none)),
            ("certificate.pem", keys.certificate.public_bytes(Encoding.PEM)),
            ("private.der", private.private_bytes(Encoding.DER, pkcs8, none)),
            ("public.der", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        ):
            (folder / file).write_bytes(content)
        return [_measure(peer) for peer in _all(folder)]


def _all(folder: Path) -> list[_Peer]:
    xmlsec = (_XMLSEC, _HERE / "xmlsec_peer.py")
    java = ("java", _HERE / "JavaPeer.java")
    node = ("node", _HERE / "node_peer.cjs", _PACKAGES)
    rounds, few = (str(_COUNT), str(_REPEATS)), ("1", str(_JVM_STARTS))
    jdk = "apt install openjdk-17-jdk-headless"
    found = []
    for work, what in (("sign", "parsed and signed"), ("verify", "parsed and verified")):
        found += [
            _Peer(f"{what} by xmlsec", (_XMLSEC,), _INSTALL_XMLSEC, (*xmlsec, work, folder, *rounds)),
            _Peer(f"{what} by the Java platform", ("java", "javac"), jdk, (*java, work, folder, *rounds)),
        ]
    parser, wrap = (_PACKAGES / "@smartdcc" / each for each in ("duis-parser", "duis-sign-wrap"))
    unsigned = folder / "unsigned.xml"
    return [
        *found,
        _Peer(
            "read, no signature, by @smartdcc/duis-parser", ("node", parser), _NODE, (*node, "parse", unsigned, *rounds)
        ),
        _Peer(
            "signed by @smartdcc/duis-sign-wrap, a JVM each",
            ("node", "java", wrap),
            f"{_NODE}; {jdk}",
            (*node, "sign", unsigned, *few),
            "ms",
        ),
    ]


def _measure(peer: _Peer) -> Result:
    missing = [each for each in peer.needs if not _is_there(each)]
    if missing:
        return Result(peer.what, peer.unit, (), None, f"not installed: {peer.install}")
    try:
        done = subprocess.run(peer.command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except subprocess.TimeoutExpired:
        return Result(peer.what, peer.unit, (), None, f"not done within {_TIMEOUT_S} s")
    except subprocess.CalledProcessError as error:
        lines = str(error.stderr).strip().splitlines()
        return Result(peer.what, peer.unit, (), None, f"it failed: {lines[0][:120] if lines else error.returncode}")
    each_us = [float(line) for line in done.stdout.split()]
    if peer.unit == "ms":
        return Result(peer.what, peer.unit, [each / 1e3 for each in each_us])
    return Result(peer.what, peer.unit, each_us, None, f"{1e6 / sorted(each_us)[len(each_us) // 2]:.0f}/s")


def _is_there(needed: str | Path) -> bool:
    return needed.exists() if isinstance(needed, Path) else shutil.which(needed) is not None
