"""The DUIS schema, where it is at hand."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest
from lxml import etree


@functools.cache
def _load(folder: Path, work: Path) -> etree.XMLSchema:
    # libxml2 does not follow a schemaLocation with blanks in it.
    for source in folder.glob("*.xsd"):
        shutil.copyfile(source, work / source.name.replace(" ", "_"))
    main = work / "DUIS_Schema_V5.4.xsd"
    main.write_bytes(main.read_bytes().replace(b"MMC Schema V5.4.xsd", b"MMC_Schema_V5.4.xsd"))
    return etree.XMLSchema(etree.parse(str(main)))


@pytest.fixture(scope="session")
def schema_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schema")


@pytest.fixture
def schema_tree(rtds: Path) -> etree._Element:
    """The schema as a document."""
    return etree.parse(str(rtds / "schema" / "DUIS Schema V5.4.xsd")).getroot()


@pytest.fixture
def duis_schema(rtds: Path, schema_work: Path) -> etree.XMLSchema:
    """The schema as a validator."""
    return _load(rtds / "schema", schema_work)
