"""Classes of pixels against torch's bilinear resizing and argmax of the whole."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from underone.image.resample import ISAS
from underone.post.label_map import (
    enlarge_classes,
    enlarge_compiled,
    enlarge_numpy,
    nearest_classes,
    places,
    possible_classes,
)

SIZES = [
    ((21, 33, 33), (513, 513)), ((2, 5, 9), (65, 130)), ((3, 1, 4), (16, 50)), ((4, 1, 1), (7, 9)),
    ((300, 7, 5), (97, 65)), ((21, 2, 2), (1, 1)), ((5, 9, 9), (9, 9)), ((3, 3, 3), (40, 5000)), ((1, 4, 4), (9, 9)),
    ((5, 40, 50), (7, 9)),
]  # fmt: skip


def noise(classes, height, width, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (classes, height, width)).astype("float32")


def torchs_classes(maps, size, alignment):
    large = F.interpolate(
        torch.from_numpy(maps)[None].double(), size=size, mode="bilinear", align_corners=alignment == "corners"
    )
    return large[0].argmax(0).numpy()


@pytest.mark.parametrize("alignment", ["corners", "borders"])
@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_classes_are_torchs(shape, size, alignment):
    maps = noise(*shape)
    got = enlarge_classes(maps, size, size, alignment)
    assert got.dtype == (np.uint8 if shape[0] <= 256 else np.int32)
    assert np.mean(got != torchs_classes(maps, size, alignment)) <= 2e-5  # ties within float32


@pytest.mark.parametrize("isa", [*ISAS, None])
@pytest.mark.parametrize("alignment", ["corners", "borders"])
@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_every_way_to_enlarge_gives_torchs_classes(shape, size, alignment, isa):
    for name, maps in (("noise", noise(*shape)), ("regions", noise(shape[0], 1, 1) + 0.2 * noise(*shape, seed=1))):
        rows, columns = (places(size[i], shape[1 + i], size[i], alignment) for i in (0, 1))
        got = np.empty(size, np.int32 if shape[0] > 256 else np.uint8)
        enlarge_numpy(maps, rows, columns, got) if isa is None else enlarge_compiled(maps, rows, columns, got, isa)
        assert np.mean(got != torchs_classes(maps, size, alignment)) <= 2e-5, name


@pytest.mark.skipif(not ISAS, reason="built without the native part")
def test_equal_outputs_are_the_lower_class():
    maps = np.concatenate([noise(2, 5, 5)] * 2)
    assert set(np.unique(enlarge_classes(maps, (40, 60), (40, 60), "corners"))) == {0, 1}


def test_smooth_maps_calculate_few_classes_and_lose_none():
    small = torch.from_numpy(noise(21, 4, 4)) + 3 * torch.eye(21)[:, :1, None]
    maps = F.interpolate(small[None], size=(33, 33), mode="bilinear", align_corners=True)[0].numpy()
    assert possible_classes(maps).sum() < 21
    got = enlarge_classes(maps, (513, 513), (513, 513), "corners")
    assert np.mean(got != torchs_classes(maps, (513, 513), "corners")) <= 2e-5


def test_class_that_never_wins_at_a_point_is_found_between_them():
    maps = np.array([[[9, 0], [9, 0]], [[5, 5], [5, 5]], [[0, 9], [0, 9]]], np.float32)  # 5 > 4.5 in the middle
    assert set(enlarge_classes(maps, (9, 91), (9, 91), "corners").ravel().tolist()) == {0, 1, 2}


def test_picture_of_another_size_lies_border_to_border_on_the_tensor():
    got = places(4, 3, 2, "borders")  # pixel centres at 1/8, 3/8 … of the picture, points at 1/6, 1/2, 5/6
    assert (got.before + got.share).tolist() == pytest.approx([0, 0.625, 1.375, 2])
    got = places(4, 3, 9, "corners")  # 9 pixels of the tensor: centres 0.625, 2.875, 5.125, 7.375; points at 0, 4, 8
    assert (got.before + got.share).tolist() == pytest.approx([0.15625, 0.71875, 1.28125, 1.84375])


def test_wide_pictures_are_done_in_parts(monkeypatch):
    maps = noise(3, 5, 5)

    def enlarged(maps):
        result = np.empty((30, 4100), np.uint8)
        enlarge_numpy(maps, places(30, 5, 65, "corners"), places(4100, 5, 65, "corners"), result)
        return result

    whole = enlarged(maps)
    monkeypatch.setattr("underone.post.label_map._BLOCK", 5000)
    assert np.array_equal(enlarged(maps), whole)
    assert np.array_equal(whole[:, ::-1], enlarged(maps[:, :, ::-1]))


@pytest.mark.skipif(not ISAS, reason="built without the native part")
def test_arguments_that_do_not_fit_are_refused():
    from underone._native import label_map

    def call(points=(0, 1), out=np.uint8, share=2):
        at, shares = np.array(points), np.zeros(share, np.float32)
        maps = noise(300 if out is np.uint8 and share == 1 else 3, 2, 2)
        label_map(
            maps, np.empty((2, 2), out), rows=at, row_shares=shares, columns=at, column_shares=shares, isa=ISAS[0]
        )

    with pytest.raises(ValueError, match="a place lies outside the maps"):
        call(points=(0, 2))
    with pytest.raises(ValueError, match="one place and one share"):
        call(share=3)
    with pytest.raises(ValueError, match="the labels cannot hold so many classes"):
        call(share=1)
    with pytest.raises(TypeError):
        call(out=np.float32)


def test_label_map_takes_the_nearest_point():
    classes = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert nearest_classes(classes, (4, 3), (2, 3), "borders").tolist() == [[0, 1, 2]] * 2 + [[3, 4, 5]] * 2
    assert np.array_equal(nearest_classes(classes, (2, 3), (2, 3), "corners"), classes)
