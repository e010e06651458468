"""The table of real files: complete, and what their sources give."""

import csv
import os
from pathlib import Path

import pytest

from underone.errors import FetchFailed
from underone.files import fetch
from underone.sources import AssetsFolder
from underone.weights import REAL_FILES

ASSETS = os.environ.get("UNDERONE_ASSETS")


def test_every_entry_is_complete():
    assert len({(pin.name, pin.sha256) for pin in REAL_FILES.values()}) == len(REAL_FILES)
    for name, pin in REAL_FILES.items():
        assert name.isidentifier()
        assert len(pin.sha256) == 64
        assert any(source.network for source in pin.sources)  # to be had without a folder of assets


@pytest.mark.skipif(not ASSETS, reason="UNDERONE_ASSETS is not set")
def test_entries_agree_with_the_manifest_of_the_assets():
    with (Path(ASSETS) / "MANIFEST.csv").open() as file:
        rows = {row["path"]: (int(row["bytes"]), row["sha256"]) for row in csv.DictReader(file)}
    found = 0
    for pin in REAL_FILES.values():
        for source in pin.sources:
            if isinstance(source, AssetsFolder):
                assert rows[source.path] == (pin.size_bytes, pin.sha256)
                found += 1
    assert found == 14


@pytest.mark.slow  # about 160 MB, once
@pytest.mark.parametrize("name", REAL_FILES)
def test_file_can_be_had(name):
    try:
        assert fetch(REAL_FILES[name]).stat().st_size == REAL_FILES[name].size_bytes
    except FetchFailed as error:
        pytest.skip(str(error))
