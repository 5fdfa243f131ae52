"""Pictures of a runbook's questions: what is taken, what is refused and how, and how they get into evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bench.errors import UsageError
from bench.evidence.bundle import BundleWriter
from bench.evidence.keys import BenchKey
from bench.evidence.verify import Level, verify
from bench.pictures import FOLDER, MOST_BYTES, Picture, read_picture
from bench.runbook import load_runbook
from bench.service.prompts import ClientOperator
from tests.fakes import FakeOperator, make_bench

RUNBOOK = """
runbook: look
title: Look
steps:
  - step: 1
    title: Look
    prompt:
      text: Like this?
      picture: {name}
"""


def image(kind: str = "PNG", size: tuple[int, int] = (40, 20)) -> bytes:
    out = BytesIO()
    Image.effect_mandelbrot(size, (-2, -1, 1, 1), 20).convert("RGB").save(out, kind)
    return out.getvalue()


def written(folder: Path, data: bytes, name: str = "p.png") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("kind", "media"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_a_picture_is_read_as_it_is(tmp_path: Path, kind: str, media: str) -> None:
    data = image(kind)
    written(tmp_path, data, "pictures/p")
    picture = read_picture(tmp_path, "pictures/p")
    assert (picture.data, picture.media, picture.width, picture.height) == (data, media, 40, 20)


def test_every_shortened_or_damaged_png_is_refused(tmp_path: Path) -> None:
    data = image(size=(8, 4))
    for length in range(len(data)):
        written(tmp_path, data[:length])
        with pytest.raises(UsageError, match=r"cut short|neither PNG"):
            read_picture(tmp_path, "p.png")
    for at in range(len(data)):
        written(tmp_path, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(UsageError, match=r"is (damaged|cut short|neither PNG nor JPEG)"):
            read_picture(tmp_path, "p.png")


def test_every_shortened_jpeg_is_refused(tmp_path: Path) -> None:
    data = image("JPEG", (8, 4))
    for length in range(len(data) - 2):
        written(tmp_path, data[:length])
        with pytest.raises(UsageError, match=r"cut short|damaged|neither PNG"):
            read_picture(tmp_path, "p.png")


@pytest.mark.parametrize("name", ["", "/etc/p.png", "../p.png", "a/../p.png", "./p.png", "a//p.png", 'a".png', "a\\p"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    written(tmp_path, image())
    with pytest.raises(UsageError, match="no path in the runbook's folder"):
        read_picture(tmp_path, name)


def _link(folder: Path) -> None:
    written(folder.parent, image(), "outside.png")
    (folder / "p.png").symlink_to(folder.parent / "outside.png")


def _huge(folder: Path) -> None:
    header = image(size=(5000, 1))
    written(folder, header)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda folder: None, "there is no picture 'p.png'"),
        (lambda folder: (folder / "p.png").mkdir(), "there is no picture 'p.png'"),
        (_link, "is a link out of the runbook's folder"),
        (lambda folder: written(folder, b"<svg/>"), "is neither PNG nor JPEG"),
        (lambda folder: written(folder, image() + b"0" * MOST_BYTES), "is larger than 1024 KiB"),
        (_huge, "has 5000 x 1 pixels; the most are 4096 a side"),
    ],
)
def test_a_runbook_with_a_bad_picture_is_refused_with_its_line(
    tmp_path: Path, make: Callable[[Path], object], complaint: str
) -> None:
    folder = tmp_path / "runbooks"
    folder.mkdir()
    make(folder)
    (folder / "look.yaml").write_text(RUNBOOK.format(name="p.png"))
    with pytest.raises(UsageError) as raised:
        load_runbook(folder / "look.yaml")
    assert f"{folder / 'look.yaml'}:9: " in str(raised.value)
    assert complaint in str(raised.value)


def test_pictures_of_parts_and_procedures_lie_beside_the_runbook(tmp_path: Path) -> None:
    written(tmp_path, image(), "pictures/a.png")
    written(tmp_path, image("JPEG"), "pictures/b.jpg")
    (tmp_path / "procedures").mkdir()
    (tmp_path / "procedures" / "ask.yaml").write_text(
        "procedure: ask\nsteps:\n  - prompt: {text: A?, picture: pictures/a.png}\n"
    )
    (tmp_path / "look.yaml").write_text(
        "runbook: look\ntitle: Look\nsteps:\n  - procedure: ask\n"
        "  - parallel: [{prompt: {text: B?, picture: pictures/b.jpg}}, {wait: 1 s}]\n"
    )
    assert set(load_runbook(tmp_path / "look.yaml").pictures) == {"pictures/a.png", "pictures/b.jpg"}
    (tmp_path / "look.yaml").write_text(
        "runbook: look\ntitle: Look\nsteps:\n  - procedure: ask\n  - prompt: {text: B?, picture: pictures/A.png}\n"
    )
    with pytest.raises(UsageError, match="only in case"):
        load_runbook(tmp_path / "look.yaml")


async def test_question_picture_and_answer_are_on_record(tmp_path: Path) -> None:
    picture = written(tmp_path, image())
    bench, operator = make_bench(tmp_path), FakeOperator("no")
    result = await bench.run("steps: [{prompt: {text: Like this?, picture: p.png}}]\n", operator=operator)
    assert result.verdict == "failed"
    (asked,) = bench.told("question")
    shown = read_picture(tmp_path, "p.png")
    assert asked.data["picture"] == {
        "path": "runbook/p.png",
        "sha256": shown.sha256,
        "size": len(picture.read_bytes()),
    }
    (answered,) = bench.told("operator")
    assert dict(answered.data) == {"who": "Ada", "did": "answer no", "question": "Like this?"}
    assert operator.pictures == [shown]


@pytest.mark.parametrize("other", [False, True])
async def test_a_bundle_with_another_picture_than_was_shown_is_no_evidence(tmp_path: Path, other: bool) -> None:
    bench, key = make_bench(tmp_path), BenchKey.load_or_create(tmp_path / "keys")
    stream = bench.session.stream
    writer = BundleWriter.open(tmp_path / "out", "r", stream, key=key)
    written(tmp_path, image())
    shown = read_picture(tmp_path, "p.png")
    stream.emit("engine", "run", {"state": "start", "emulated": True})
    sha256 = "0" * 64 if other else shown.sha256
    stream.emit("engine", "question", {"picture": {"path": f"{FOLDER}/p.png", "sha256": sha256}})
    stream.emit("engine", "run", {"state": "end", "verdict": "passed"})
    writer.add(f"{FOLDER}/p.png", shown.data)
    await writer.close()
    report = verify(writer.path, (key.fingerprint,))
    assert (report.level is Level.FAILED) == other
    if other:
        assert "runbook/p.png is not the picture that journal.jsonl says was shown" in str(report.problem)


async def test_clients_get_the_picture_of_a_question_that_is_open(tmp_path: Path) -> None:
    import asyncio
    from base64 import b64decode

    written(tmp_path, image())
    shown = read_picture(tmp_path, "p.png")
    told: list[dict[str, object]] = []
    operator = ClientOperator(lambda message: told.append(dict(message)))
    asking = asyncio.create_task(operator.ask("Like this?", ("yes", "no"), shown))
    without = asyncio.create_task(operator.ask("And now?", ("yes", "no")))
    await asyncio.sleep(0)
    assert json.loads(json.dumps(told[0]))["picture"] == shown.described
    found = operator.picture(1)
    assert b64decode(found["data"]) == shown.data
    with pytest.raises(UsageError, match="question 2 has no picture"):
        operator.picture(2)
    operator.answer(1, "yes", "Ada")
    operator.answer(2, "no", "Grace")
    assert (await asking, await without) == (("yes", "Ada"), ("no", "Grace"))
    with pytest.raises(UsageError, match="no question 1 is open"):
        operator.picture(1)


def test_a_picture_is_described_without_its_bytes(tmp_path: Path) -> None:
    picture = Picture("p.png", tmp_path / "p.png", b"secret", "image/png", 1, 1)
    assert "secret" not in repr(picture)
