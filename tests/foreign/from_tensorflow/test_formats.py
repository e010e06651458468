"""The rows of the table of readers that are TensorFlow's."""

from pathlib import Path

import numpy as np
import pytest

from underone.foreign.read import find_format, read_foreign

GOLDEN = Path(__file__).parents[2] / "golden" / "tensorflow"
CHECKPOINTS = GOLDEN / "checkpoints"


@pytest.mark.parametrize(
    "name",
    [
        "two",
        "two.index",
        "two_sharded.data-00001-of-00003",
        "one",
        "one_sharded",
        "one_sharded-00000-of-00003",
        "objects",
    ],
)
def test_checkpoint_is_known_by_any_of_its_parts(name):
    assert find_format(CHECKPOINTS / name).name == "TensorFlow checkpoint"


def test_checkpoint_is_read():
    assert read_foreign(CHECKPOINTS / "one_sharded").tensors["net/half"].dtype == np.float16


def test_folder_with_a_checkpoint_is_known(tmp_path):
    (tmp_path / "net.index").write_bytes(b"")
    assert find_format(tmp_path).name == "TensorFlow checkpoint"


def test_graph_is_known_by_its_suffix(tmp_path):
    path = tmp_path / "net.PB"
    path.write_bytes(np.load(GOLDEN / "layers.npz")["split.graph"].tobytes())
    assert read_foreign(path).format == "TensorFlow frozen graph"


def test_saved_model_is_known_by_its_file(tmp_path):
    path = tmp_path / "saved_model.pb"
    path.write_bytes(np.load(GOLDEN / "saved_models.npz")["session/saved_model.pb"].tobytes())
    assert read_foreign(path).format == read_foreign(tmp_path).format == "TensorFlow SavedModel"


@pytest.mark.parametrize("path", ["/", "", "no/such/path", "name[with*signs"])
def test_what_is_no_file_is_unknown(path):
    assert find_format(Path(path)) is None
