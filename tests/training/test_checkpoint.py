"""The state of a run: what is damaged is refused in one line, whatever torch raises on it."""

import zipfile

import pytest
import torch

from underone.errors import BadFile
from underone.training.checkpoint import FILE, read_state, write_state


def test_state_is_read_as_it_was_written(tmp_path):
    write_state(tmp_path, {"step": 3, "model": {"w": torch.arange(3.0)}})
    found = read_state(tmp_path)
    assert found["step"] == 3
    assert found["model"]["w"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("pickled", [b"a\n", b"J\1", b"\x80\2.", b"\x80\2h\0.", b"\x80\2K\1K\2s.", b"\x80\2}b."])
def test_archive_without_a_sound_pickle_is_refused_in_one_line(tmp_path, pickled):
    path = write_state(tmp_path, {"step": 3})
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else content)
    with pytest.raises(BadFile, match=r"state\.pt is no state of a run that can be read: ") as raised:
        read_state(tmp_path)
    assert "\n" not in str(raised.value)
    assert tmp_path / FILE == path
