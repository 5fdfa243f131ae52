"""A sniffer that is lost, restarts, or is another device."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from bench.errors import DeviceError, DeviceLost
from tests.drivers.sniffer_bench import CHANNEL, STAGES, Bench, connected, run_night


async def test_unplugged_sniffer_is_lost_and_takes_up_its_channel_when_it_is_back(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        assert sniffer.gaps() == 0
        bench.wire.unplug()
        await asyncio.sleep(0.1)
        assert not sniffer.can_see() and sniffer.gaps() == 1
        assert bench.states() == ["connected", "lost"]
        lost = bench.of("device")[-1]["detail"]
        assert "sniffer (" in lost and "Check its cable" in lost
        with pytest.raises(DeviceLost, match="unplugged or does not answer"):
            await sniffer.listen(CHANNEL)
        await asyncio.sleep(60)
        assert bench.states() == ["connected", "lost"]
        bench.wire.plug()
        await asyncio.sleep(40)
        assert bench.states() == ["connected", "lost", "reconnected"]
        assert sniffer.can_see()
        await bench.air()
        assert bench.stages() == STAGES


async def test_silent_sniffer_is_found_out_by_asking(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL, probe="30 s") as (bench, sniffer):
        await asyncio.sleep(300)
        assert bench.states() == ["connected"] and sniffer.can_see()
        bench.wire.line.silent = True
        await asyncio.sleep(40)
        assert bench.states() == ["connected", "lost"] and not sniffer.can_see()
        assert "did not answer within 2 s" in bench.of("device")[-1]["detail"]
        bench.wire.line.silent = False
        await asyncio.sleep(40)
        assert bench.states() == ["connected", "lost", "reconnected"] and sniffer.can_see()


async def test_sniffer_that_restarted_behind_a_serial_server_is_set_up_again(tmp_path: Path) -> None:
    async with connected(tmp_path, channel=CHANNEL) as (bench, sniffer):
        bench.wire._channel, bench.wire._receiving = 11, False
        await asyncio.sleep(40)
        assert bench.states() == ["connected", "lost", "reconnected"]
        assert bench.wire.receiving and sniffer.can_see()
        bench.wire.line.send(b"*** Booting nRF Connect SDK ***\r\n")
        await asyncio.sleep(5)
        assert bench.states()[-2:] == ["lost", "reconnected"]


async def test_one_lost_answer_is_forgiven(tmp_path: Path) -> None:
    async with connected(tmp_path) as (bench, sniffer):
        # Units to the bench: answers to "", "sleep", "channel 20", "channel".
        bench.wire.line.drop_next(4)
        await sniffer.listen(CHANNEL)
        assert sniffer.can_see() and bench.states() == ["connected"]


async def test_cancelled_listen_leaves_the_line_in_step(tmp_path: Path) -> None:
    async with connected(tmp_path) as (bench, sniffer):
        bench.wire.line.delay_s = 0.5
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await sniffer.listen(15)
        bench.wire.line.delay_s = 0.0
        await sniffer.listen(CHANNEL)
        assert sniffer.can_see() and bench.wire.receiving


@pytest.mark.parametrize("path", ["/dev/no-such-port", "socket://127.0.0.1:1"])
async def test_port_that_is_not_there(tmp_path: Path, path: str) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(DeviceLost) as caught:
        await bench.driver(resource=path).connect()
    assert path in str(caught.value) and "Check its cable" in str(caught.value)
    assert bench.events == []


async def test_port_in_use_is_said_so(tmp_path: Path) -> None:
    async with connected(tmp_path) as (bench, _):
        with pytest.raises(DeviceLost, match="already locked"):
            await bench.driver().connect()


async def test_mute_port_is_lost_at_connect(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.wire.plug()
    bench.wire.line.silent = True
    sniffer = bench.driver(channel=CHANNEL)
    with pytest.raises(DeviceLost, match="did not answer within 2 s"):
        await sniffer.connect()
    bench.wire.close()
    assert bench.states() == []


async def test_another_device_on_the_port_is_said_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.wire.plug()
    bench.wire.line._on_line = lambda _text: bench.wire.line.send(b"ERROR 7 unknown verb\r\n")
    with pytest.raises(DeviceError, match="no sniffer: it says 'ERROR 7 unknown verb'"):
        await bench.driver().connect()
    bench.wire.close()


def test_loss_leaves_nothing_unretrieved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_night(tmp_path, 3)
    gc.collect()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
