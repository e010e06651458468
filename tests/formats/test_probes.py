"""The inputs of a comparison."""

import numpy as np
import pytest

from underone.formats.probes import probes
from underone.image import photograph, prepare
from underone.spec import IMAGENET_PREPARATION, InputSpec, Preparation

GRAY = Preparation(color="GRAY", mean=(0.5,), std=(0.5,))


def test_probes_are_a_photograph_noise_zeros_and_extremes() -> None:
    spec = InputSpec(shape=(None, 3, 64, 96), preparation=IMAGENET_PREPARATION)
    made = probes(spec)
    assert {name: array.shape for name, array in made.items()} == {
        "photo": (1, 3, 64, 96),
        "noise": (3, 3, 64, 96),
        "zeros": (1, 3, 64, 96),
        "extremes": (1, 3, 64, 96),
    }
    assert {array.dtype for array in made.values()} == {np.dtype("float32")}
    np.testing.assert_array_equal(made["photo"], prepare(photograph(), spec))
    low, high = -0.485 / 0.229, (1 - 0.406) / 0.225  # what a byte 0 and 255 become
    assert made["extremes"].min() == pytest.approx(4 * low, rel=0.01)
    assert made["extremes"].max() == pytest.approx(4 * high, rel=0.01)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_reachable_extremes_are_what_bytes_of_0_and_255_become_in_each_channel(layout: str) -> None:
    shape = (None, 3, 64, 96) if layout == "NCHW" else (None, 64, 96, 3)
    spec = InputSpec(shape=shape, layout=layout, preparation=IMAGENET_PREPARATION)
    made = probes(spec, reachable=True)["extremes"]
    for channel, mean, std in zip(range(3), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True):
        found = np.unique(made.take(channel, axis=1 if layout == "NCHW" else 3))
        np.testing.assert_allclose(found, [-mean / std, (1 - mean) / std], rtol=1e-6)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (InputSpec(shape=(None, None, None, 3), layout="NHWC"), (1, 224, 224, 3)),
        (InputSpec(shape=(2, 5, 32, 32)), (2, 5, 32, 32)),
        (
            InputSpec(shape=(2, 1, 32, 32), preparation=Preparation(color="GRAY", mean=(0.5,), std=(0.5,))),
            (2, 1, 32, 32),
        ),
    ],
)
def test_photograph_takes_the_shape_of_any_picture_input(spec: InputSpec, shape: tuple[int, ...]) -> None:
    photo = probes(spec)["photo"]
    assert photo.shape == shape
    assert photo.std() > 0.1


def test_same_seed_gives_the_same_noise_and_another_another() -> None:
    spec = InputSpec(shape=(None, 3, 8, 8))
    np.testing.assert_array_equal(probes(spec)["noise"], probes(spec)["noise"])
    assert not np.array_equal(probes(spec)["noise"], probes(spec, seed=1)["noise"])


def test_input_that_is_no_picture_gets_no_photograph() -> None:
    assert list(probes(InputSpec(shape=(None, 7)))) == ["noise", "zeros", "extremes"]


def test_further_size_is_for_networks_that_take_any() -> None:
    made = probes(InputSpec(shape=(None, 3, None, None)), further_size=(193, 161))
    assert made["noise of another size"].shape == (1, 3, 193, 161)
    assert probes(InputSpec(shape=(2, 64, None, 3), layout="NHWC"), further_size=(193, 161))[
        "noise of another size"
    ].shape == (2, 64, 161, 3)
    assert "noise of another size" not in probes(InputSpec(shape=(None, 3, 64, 64)), further_size=(193, 161))
