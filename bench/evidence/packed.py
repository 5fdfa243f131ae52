"""Bundles as one compressed file, as retention keeps old ones: `RUN.tar.gz`, which holds the folder RUN unchanged."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.durable import storage_error, sync_folder
from bench.errors import UsageError

SUFFIX = ".tar.gz"


def pack(bundle: Path) -> Path:
    """Make one compressed file of a bundle and remove the folder; the file is on disk before the folder goes.

    Raises:
        StorageError: the disk does not take it; the folder is still there then.
    """
    target = bundle.with_name(bundle.name + SUFFIX)
    pack_copy(bundle, target)
    try:
        shutil.rmtree(bundle)
    except OSError as error:
        raise storage_error(error, "the bundle that was compressed cannot be removed", bundle) from error
    return target


def pack_copy(bundle: Path, target: Path) -> None:
    """Make one compressed file of a bundle, which stays; the file is whole and on disk, or not there.

    Raises:
        StorageError: the disk does not take it.
    """
    draft = target.with_name(f".{target.name}.new")
    try:
        with draft.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                archive.add(bundle, arcname=bundle.name)
            file.flush()
            os.fsync(file.fileno())
        _compare(draft, bundle)
        draft.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise storage_error(error, "the bundle cannot be compressed", bundle) from error


def _compare(draft: Path, bundle: Path) -> None:
    """Read back what was written, before what it was made of goes."""
    files = {path.relative_to(bundle.parent).as_posix() for path in bundle.rglob("*") if path.is_file()}
    with tarfile.open(draft, "r:gz") as archive:
        for member in archive:
            if member.isfile():
                copy = archive.extractfile(member)
                if copy is None or copy.read() != (bundle.parent / member.name).read_bytes():
                    raise OSError(f"{member.name} did not read back as it is")
                files.discard(member.name)
    if files:
        raise OSError(f"{min(files)} did not read back")


@contextlib.contextmanager
def unpacked(bundle: Path) -> Iterator[Path]:
    """The folder of a bundle: itself, or a copy of what is packed, as long as it is needed.

    Raises:
        UsageError: it is a file of another kind, or one that is not whole.
    """
    if not bundle.name.endswith(SUFFIX):
        yield bundle
        return
    with tempfile.TemporaryDirectory(prefix="hilbench-bundle-") as scratch:
        try:
            with tarfile.open(bundle, "r:gz") as archive:
                archive.extractall(scratch, filter="data")
        except (OSError, tarfile.TarError, EOFError) as error:
            raise UsageError(f"the compressed bundle cannot be read: {error}", where=str(bundle)) from None
        folder = Path(scratch) / bundle.name.removesuffix(SUFFIX)
        if not folder.is_dir():
            raise UsageError(f"the compressed bundle does not hold {folder.name}", where=str(bundle))
        yield folder
