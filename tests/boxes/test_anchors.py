"""Anchors of every family against the generators that they come from, and against published counts."""

import math

import numpy as np
import pytest
import torch
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

from underone.boxes import anchor_boxes, corners
from underone.boxes.families import (
    SSD300_MAPS,
    SSD320_MAPS,
    SSD_STRIDES,
    map_sizes,
    prior_boxes,
    tf_ssd,
    torchvision_ssd,
    ultraface,
)
from underone.errors import BadValue
from underone.spec import AnchorGrid

SSD300_VGG = {
    "maps": ((38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)),
    "ratios": ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
    "scales": (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05),
}
COUNTS = {
    "TensorFlow 300": (tf_ssd(), 1917),
    "TensorFlow 320": (tf_ssd(SSD320_MAPS), 2034),
    "torchvision ssdlite320": (torchvision_ssd(), 3234),
    "torchvision ssd300_vgg16": (torchvision_ssd(**SSD300_VGG), 8732),
    "UltraFace 320 x 240": (ultraface(), 4420),
}


@pytest.mark.parametrize("name", COUNTS)
def test_number_of_anchors_is_the_published_one(name):
    grids, count = COUNTS[name]
    assert anchor_boxes(grids).shape == (count, 4)
    assert sum(grid.count for grid in grids) == count


def torchvision_boxes(maps, picture, **settings):
    generator = DefaultBoxGenerator([list(r) for r in settings.pop("aspect_ratios")], **settings)
    features = [torch.zeros(1, 1, *size) for size in maps]
    boxes = generator(ImageList(torch.zeros(1, 3, *picture), [picture]), features)[0]
    return boxes.numpy() / np.array([picture[1], picture[0]] * 2, np.float32)


@pytest.mark.parametrize("maps", [SSD320_MAPS, map_sizes((240, 320), (16, 32, 64, 107, 160, 320))], ids=["320", "wide"])
def test_torchvision_ssdlite_anchors_equal_torchvision(maps):
    want = torchvision_boxes(maps, (320, 320), aspect_ratios=[[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95)
    np.testing.assert_allclose(corners(anchor_boxes(torchvision_ssd(maps))), want, atol=1e-6)


def test_torchvision_anchors_with_scales_of_their_own_equal_torchvision():
    ssd = SSD300_VGG
    want = torchvision_boxes(ssd["maps"], (300, 300), aspect_ratios=ssd["ratios"], scales=list(ssd["scales"]))
    np.testing.assert_allclose(corners(anchor_boxes(torchvision_ssd(**ssd))), want, atol=1e-6)


def test_tensorflow_anchors_follow_the_published_recipe():
    anchors = anchor_boxes(tf_ssd())
    first = [
        [0.5 / 19, 0.5 / 19, w, h] for w, h in ((0.1, 0.1), (0.2 * 2**0.5, 0.2 / 2**0.5), (0.2 / 2**0.5, 0.2 * 2**0.5))
    ]
    np.testing.assert_allclose(anchors[:3], first, rtol=1e-6)
    between = math.sqrt(0.95)  # of 0.95 and 1
    np.testing.assert_allclose(anchors[-1], [0.5, 0.5, between, between], rtol=1e-6)
    tall = 0.35 * math.sqrt(0.3333), 0.35 / math.sqrt(0.3333)  # the literal, not a third
    np.testing.assert_allclose(anchors[19 * 19 * 3 + 4], [0.05, 0.05, *tall], rtol=1e-6)


def test_tensorflow_anchors_keep_their_shape_in_a_wide_picture():
    narrow = anchor_boxes(tf_ssd(map_sizes((300, 600), (16, 32)), picture=(300, 600)))
    np.testing.assert_allclose(narrow[0, 2:] * [600, 300], [30, 30], rtol=1e-6)


def test_prior_boxes_equal_the_published_ones():
    # SSD300 on VOC: conv4_3 is 38 x 38 with step 8, min 30, max 60, ratio 2 and its inverse
    grid = prior_boxes((38, 38), (300, 300), [30.0], [60.0], [2.0, 0.5], step=(8.0, 8.0))
    boxes = corners(anchor_boxes([grid])) * 300
    want = [[-11, -11, 19, 19], [4 - 21.2132, 4 - 21.2132, 4 + 21.2132, 4 + 21.2132]]
    np.testing.assert_allclose(boxes[:2], want, atol=1e-3)
    np.testing.assert_allclose(boxes[2, 2:] - boxes[2, :2], [30 * 2**0.5, 30 / 2**0.5], rtol=1e-5)
    np.testing.assert_allclose(boxes[4, :2] - boxes[0, :2], [8, 0], atol=1e-4)  # the next cell lies to the right


def test_clipped_anchors_end_at_the_border():
    grid = AnchorGrid(rows=1, columns=2, shapes=((1.0, 0.5),), step=(0.5, 1.0))
    assert anchor_boxes([grid]).tolist() == [[0.25, 0.5, 1, 0.5], [0.75, 0.5, 1, 0.5]]
    np.testing.assert_allclose(corners(anchor_boxes([grid], clip=True)), [[0, 0.25, 0.75, 0.75], [0.25, 0.25, 1, 0.75]])


def test_no_grids_give_no_anchors():
    assert anchor_boxes(()).shape == (0, 4)


def test_scales_that_do_not_fit_the_maps_are_refused():
    with pytest.raises(BadValue, match="6 maps, 6 ratios, 6 scales; one scale more than maps is required"):
        torchvision_ssd(scales=(0.1,) * 6)


def test_maps_round_up_as_padded_convolutions_do():
    assert map_sizes((300, 300), SSD_STRIDES) == SSD300_MAPS
    assert map_sizes((320, 300), SSD_STRIDES) == ((20, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1))
