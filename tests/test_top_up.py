"""`hilbench utrn`: tokens that the meters of a rig believe, and what is said about wrong wishes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.gbcs.utrn import Utrn
from bench.parties import KeyUse
from drivers.emulated.identities import Identities, RemotePartyRole
from tests.emulated.worlds import ESME, USERS

RIG = Path(__file__).parents[1] / "rigs" / "emulated.yaml"
GOOD = ["--as", "IS", "--device", "esme", "--number", "7"]


def test_the_meter_of_an_emulated_rig_believes_it() -> None:
    result = CliRunner().invoke(main, ["utrn", str(RIG), *GOOD, "--pounds", "25"])
    assert result.exit_code == 0, result.output
    token = Utrn.parse(result.output.strip())
    assert (token.amount, token.counter) == (2_500_000, 7)
    identities, supplier = Identities(1), USERS["IS"][1]
    meter = identities.device(ESME, KeyUse.KEY_AGREEMENT).private_key
    own = identities.organisation(supplier, KeyUse.KEY_AGREEMENT, RemotePartyRole.SUPPLIER).private_key.public_key()
    assert token.is_authentic(7, meter, own, supplier, ESME)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--as", "XX", "--device", "esme", "--number", "7", "--pence", "1"], "no User 'XX'. It has IS"),
        (["--as", "IS", "--device", "chf", "--number", "7", "--pence", "1"], "no meter 'chf'. It has esme"),
        (GOOD, "--pence N or --pounds N"),
        ([*GOOD, "--pence", "1", "--pounds", "1"], "--pence N or --pounds N"),
        ([*GOOD, "--pence", "8192"], "0 to 8191 pence"),
    ],
)
def test_wrong_wishes_are_explained(words: list[str], complaint: str) -> None:
    result = CliRunner().invoke(main, ["utrn", str(RIG), *words])
    assert result.exit_code == 2
    assert complaint in result.output
