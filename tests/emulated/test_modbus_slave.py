from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.emulated.modbus_wire import ModbusSlave


class Memory:
    def __init__(self) -> None:
        self.coils = [False] * 20
        self.registers = [0] * 8
        self.slave = ModbusSlave(1)
        for index in range(20):
            self.slave.coil(index, lambda i=index: self.coils[i], lambda value, i=index: self.set_coil(i, value))
            self.slave.discrete_input(index, lambda i=index: self.coils[i])
        for index in range(8):
            self.slave.holding_register(
                index, lambda i=index: self.registers[i], lambda value, i=index: self.set_register(i, value)
            )

    def set_coil(self, index: int, value: bool) -> None:
        self.coils[index] = value

    def set_register(self, index: int, value: int) -> None:
        self.registers[index] = value


def test_examples_of_each_function() -> None:
    memory = Memory()
    answer = memory.slave.answer
    assert answer(bytes.fromhex("05 0003 ff00")) == bytes.fromhex("05 0003 ff00")
    assert answer(bytes.fromhex("0f 0008 000a 02 cd01")) == bytes.fromhex("0f 0008 000a")
    assert memory.coils[3] and memory.coils[8:18] == [True, False, True, True, False, False, True, True, True, False]
    assert answer(bytes.fromhex("01 0000 0014")) == bytes.fromhex("01 03 08cd01")
    assert answer(bytes.fromhex("02 0003 0001")) == bytes.fromhex("02 01 01")
    assert answer(bytes.fromhex("06 0002 1234")) == bytes.fromhex("06 0002 1234")
    assert answer(bytes.fromhex("10 0003 0002 04 000a0102")) == bytes.fromhex("10 0003 0002")
    assert answer(bytes.fromhex("03 0002 0003")) == bytes.fromhex("03 06 1234 000a 0102")


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("2b0e0100", "ab01"),
        ("07", "8701"),
        ("0300080001", "8302"),
        ("0300070002", "8302"),
        ("0400000001", "8402"),
        ("0600080001", "8602"),
        ("05 0014 ff00", "8502"),
        ("0300000000", "8303"),
        ("030000007e", "8303"),
        ("01000007d1", "8103"),
        ("0500000001", "8503"),
        ("1000000002020001", "9003"),
        ("0f0000000902ff", "8f03"),
        ("0300", "8303"),
    ],
)
def test_exceptions(request_hex: str, answer_hex: str) -> None:
    assert Memory().slave.answer(bytes.fromhex(request_hex)) == bytes.fromhex(answer_hex)


def test_a_write_that_is_refused_changes_nothing() -> None:
    memory = Memory()
    assert memory.slave.answer(bytes.fromhex("10 0007 0002 04 00010002")) == bytes.fromhex("9002")
    assert memory.registers == [0] * 8


def test_what_is_read_only_cannot_be_written() -> None:
    slave = ModbusSlave(1)
    slave.value("holding", 0, lambda: 230.0)
    assert slave.answer(bytes.fromhex("06 0000 0001")) == bytes.fromhex("8602")
    with pytest.raises(ValueError, match="taken"):
        slave.value("holding", 1, lambda: 0.0)


def test_both_words_of_a_float_are_of_one_moment() -> None:
    readings = iter([1.0, 2.0, 3.0])
    slave = ModbusSlave(1)
    slave.value("input", 0, lambda: next(readings))
    assert slave.answer(bytes.fromhex("04 0000 0002")) == bytes.fromhex("04 04 3f800000")
    assert slave.answer(bytes.fromhex("04 0001 0001")) == bytes.fromhex("04 02 0000")


def test_faults() -> None:
    memory = Memory()
    memory.slave.faults.ignore_writes = True
    assert memory.slave.answer(bytes.fromhex("05 0003 ff00")) == bytes.fromhex("05 0003 ff00")
    assert not memory.coils[3]
    memory.slave.faults.exception = 4
    assert memory.slave.answer(bytes.fromhex("01 0000 0001")) == bytes.fromhex("8104")


@given(st.binary(min_size=1, max_size=253))
def test_any_request_is_answered(request: bytes) -> None:
    answer = Memory().slave.answer(request)
    assert answer[0] & 0x7F == request[0] & 0x7F and len(answer) <= 253
