"""The score of a segmenter, by hand, and through `evaluate`."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

import underone as uo
from underone.data import open_masks
from underone.errors import BadFile, BadValue, ShapeError
from underone.evaluation import evaluate, score_masks, segmentation
from underone.evaluation.segmentation import border_of, boundary_scores, confusion_of
from underone.image import photograph

TRUTH = np.array([[0, 0, 1, 1], [0, 2, 2, 255]], np.uint8)
SAID = np.array([[0, 1, 1, 1], [0, 2, 0, 0]], np.uint8)


@pytest.fixture
def data(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    Image.fromarray(np.zeros((2, 4, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    Image.fromarray(TRUTH).save(tmp_path / "masks" / "a.png")
    (tmp_path / "classes.txt").write_text("x\ny\nz\nnever\n")
    return tmp_path


def test_score_by_hand(data):
    score = score_masks(lambda pictures: [SAID for _ in pictures], open_masks(data))
    assert [row[:3] for row in score.confusion] == [(2, 1, 0), (0, 2, 0), (1, 0, 1), (0, 0, 0)]
    assert [row.iou for row in score.by_class] == pytest.approx([50, 200 / 3, 50, None])
    assert score.miou == pytest.approx(500 / 9)  # a class that is nowhere does not count
    assert score.pixel_accuracy == pytest.approx(500 / 7)
    assert (score.by_class[0].recall, score.by_class[0].precision) == pytest.approx((200 / 3, 200 / 3))
    assert score.worst[0].confused in (("x", "y"), ("z", "x"))


def test_right_masks_score_everything(data):
    right = np.where(TRUTH == 255, 0, TRUTH)
    score = score_masks(lambda pictures: [right for _ in pictures], open_masks(data))
    assert (score.miou, score.pixel_accuracy, score.boundary_f1) == (100, 100, 100)


def test_borders_count_within_their_reach():
    truth = np.zeros((300, 400), np.uint8)  # the diagonal is 500: 4 pixels
    truth[:, 200:] = 1
    assert border_of(truth == 1).sum() == 300
    for shift, expected in ((4, 1.0), (5, 0.0)):
        said = np.zeros_like(truth)
        said[:, 200 + shift :] = 1
        assert list(boundary_scores(truth, said)) == pytest.approx([expected] * 2, abs=1e-9)


def by_filter(area: np.ndarray, reach: int) -> np.ndarray:
    """Grow an area by the largest value in each window."""
    return np.asarray(Image.fromarray(area.astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * reach + 1))).astype(bool)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (37, 53), (120, 300)])
def test_border_scores_are_those_of_a_filter_over_windows(size, monkeypatch):
    random = np.random.default_rng(size[0])
    for share in (0.02, 0.3):
        truth, said = (random.choice(5, size, p=(1 - share, *[share / 4] * 4)).astype(np.uint8) for _ in range(2))
        truth[random.random(size) < 0.1] = 255
        for reach in (1, 3, 8):
            np.testing.assert_array_equal(segmentation._grown(truth == 1, reach), by_filter(truth == 1, reach))
        found = list(boundary_scores(truth, said))
        with monkeypatch.context() as other:
            other.setattr(segmentation, "_grown", by_filter)
            assert found == list(boundary_scores(truth, said))


def test_classes_that_the_truth_has_not_take_no_time(monkeypatch):
    looked = []
    monkeypatch.setattr(segmentation, "border_of", lambda area: looked.append(area) or area)
    list(boundary_scores(TRUTH, SAID))
    assert len(looked) == 2 * 3  # of four classes the truth has three


def test_ignored_pixels_are_in_no_table():
    assert confusion_of(TRUTH, SAID, 4).sum() == 7


def test_unreadable_pictures_are_reported_and_all_ignored_ones_refused(data):
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(data / "images" / "b.png")
    Image.fromarray(TRUTH).save(data / "masks" / "b.png")
    score = score_masks(lambda pictures: [SAID for _ in pictures], open_masks(data), batch=2)
    assert score.pictures == 1
    assert "b.png is 4 x 2; its picture is 9 x 9" in score.unreadable[0]
    Image.fromarray(np.full((2, 4), 255, np.uint8)).save(data / "masks" / "a.png")
    with pytest.raises(BadValue, match=r"all pixels of 1 masks are ignored \(255\); nothing can be scored"):
        score_masks(lambda pictures: [SAID for _ in pictures], open_masks(data))
    (data / "images" / "a.png").write_bytes(b"")
    with pytest.raises(BadFile, match="none of 2 pictures could be read"):
        score_masks(lambda pictures: [SAID for _ in pictures], open_masks(data))


def test_masks_that_fit_no_picture_are_refused(data):
    with pytest.raises(ShapeError, match=r"a mask \(1, 4\) was given; \(2, 4\), the size of the picture"):
        score_masks(lambda pictures: [SAID[:1] for _ in pictures], open_masks(data))
    with pytest.raises(BadValue, match="class 7 was given; the data has 4"):
        score_masks(lambda pictures: [SAID * 0 + 7 for _ in pictures], open_masks(data))


def test_evaluate_gives_a_network_and_its_file_one_score(data, tmp_path, randomize_statistics):
    picture = photograph()
    mask = np.random.default_rng(0).integers(0, 4, picture.shape[:2], dtype=np.uint8)
    Image.fromarray(picture).save(data / "images" / "a.png")
    Image.fromarray(mask).save(data / "masks" / "a.png")
    model = uo.create_model("deeplabv3light_mobilenet_v1_025", num_classes=4, size=65, labels=("x", "y", "z", "never"))
    folded = uo.reparameterize(randomize_statistics(model, seed=3, size=65))
    path = uo.export(folded, tmp_path / "net.onnx")
    of_module, of_file = (np.array(evaluate(net, data).confusion) for net in (folded, path))
    assert np.abs(of_module - of_file).sum() <= 2e-4 * mask.size  # on borders rounding decides: two cells a pixel
    assert of_module.sum() == mask.size
    assert (of_module.sum(axis=0) > 0).sum() > 1  # more than one class is said
