"""A segmenter that looks at pictures several times, or in tiles; and what is refused."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import underone as uo
from underone.cli import main
from underone.errors import BadValue
from underone.evaluation import evaluate
from underone.evaluation.of_segmenter import averaging_segmenter, segmenter_of, tiling_segmenter
from underone.evaluation.of_torch import outputs_of
from underone.image import photograph, prepare
from underone.nn.statistics import randomize_statistics


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = uo.create_model("deeplabv3light_mobilenet_v1_025", num_classes=4, size=65, labels=tuple("abcd"))
    randomize_statistics(model, torch.randn(4, 3, 65, 65))
    return model


@pytest.fixture(scope="module")
def run(model):
    return outputs_of(model, ["logits"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One photograph with a mask of noise."""
    root = tmp_path_factory.mktemp("data")
    for kind in ("images", "masks"):
        (root / kind).mkdir()
    picture = photograph()[:90, :130]
    Image.fromarray(picture).save(root / "images" / "a.png")
    mask = np.random.default_rng(0).integers(0, 4, picture.shape[:2], np.uint8)
    Image.fromarray(mask).save(root / "masks" / "a.png")
    (root / "classes.txt").write_text("a\nb\nc\nd\n")
    return root


def torchs(model, picture, sizes, flip):
    """The same by torch: resized maps, softmax, the mean."""
    total = 0
    for size in sizes:
        for mirrored in (False, True)[: 1 + flip]:
            seen = np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
            image = model.spec.input.model_copy(update={"shape": (None, 3, size, size)})
            maps = model.eval()(torch.from_numpy(prepare(seen, image)))["logits"]
            whole = F.interpolate(maps, (size, size), mode="bilinear", align_corners=True)
            large = F.interpolate(whole.softmax(1), picture.shape[:2], mode="bilinear")
            total = total + (large.flip(3) if mirrored else large)
    return total[0].argmax(0).numpy()


@pytest.mark.parametrize(("scales", "flip", "sizes"), [((1,), True, (65,)), ((0.5, 1, 2), False, (33, 65, 129))])
def test_looks_are_averaged_as_torch_does_it(model, run, scales, flip, sizes):
    picture = photograph()[:130, :130]
    (said,) = averaging_segmenter(run, model.spec, scales, flip)([picture])
    with torch.inference_mode():
        wanted = torchs(model, picture, sizes, flip)
    assert len(np.unique(wanted)) > 1
    assert (said == wanted).mean() > 0.99  # torch's way enlarges twice
    assert (segmenter_of(run, model.spec)([picture])[0] == wanted).mean() < 0.99


def test_one_look_is_the_plain_answer(model, run):
    picture = photograph()
    (plain,), (averaged,) = (
        f([picture]) for f in (segmenter_of(run, model.spec), averaging_segmenter(run, model.spec, (1,), False))
    )
    assert (plain == averaged).mean() > 0.9999
    assert averaged.dtype == np.uint8


def test_the_mirror_makes_the_answer_symmetric(model, run):
    segment = averaging_segmenter(run, model.spec, (1,), True)
    picture = photograph()[:100, :100]
    (said,), (mirrored,) = segment([picture]), segment([np.ascontiguousarray(picture[:, ::-1])])
    assert (said == mirrored[:, ::-1]).mean() > 0.999


def test_a_tile_is_segmented_as_a_picture_of_its_own(model, run):
    plain = segmenter_of(run, model.spec)
    picture = photograph()[:65, :160]
    (said,) = tiling_segmenter(plain, (65, 65))([picture])
    np.testing.assert_array_equal(said[:, :50], plain([picture[:, :65]])[0][:, :50])


def test_an_engine_segments_in_tiles(model, tmp_path):
    with uo.load(uo.export(uo.reparameterize(model), tmp_path / "n.onnx"), threads=1) as net:
        picture = photograph()[:130, :200]
        found = net.segment(picture, tiled=True)
        wanted = tiling_segmenter(lambda parts: [net.segment(part).mask for part in parts], (65, 65))([picture])[0]
        np.testing.assert_array_equal(found.mask, wanted)
        assert (found.names, set(found.speed)) == (tuple("abcd"), {"prepare", "run", "decode"})
        assert net.segment(picture[:1, :1], tiled=True).mask.shape == (1, 1)
        assert net.segment(picture[:1, :1]).mask.shape == (1, 1)


def test_weights_take_scales_and_files_of_one_size_do_not(model, data, tmp_path):
    once, often = (evaluate(model, data, scales=scales) for scales in ((1,), (0.5, 1)))
    assert once.confusion != often.confusion
    assert evaluate(model, data, tiled=True).confusion != once.confusion
    path = uo.export(uo.reparameterize(model), tmp_path / "n.onnx")
    assert evaluate(path, data, flip=True).pictures == 1
    with pytest.raises(BadValue, match=r"takes pictures of \(65, 65\) alone; for scales=\[0.5, 1.0\] give its weights"):
        evaluate(path, data, scales=(0.5, 1.0))


def test_every_form_on_every_engine_has_one_score(model, data, tmp_path):
    path = uo.export(uo.reparameterize(model), tmp_path / "n.onnx")
    uo.save_weights(model, tmp_path / "n.safetensors")
    uo.save_weights(uo.reparameterize(model), tmp_path / "folded.safetensors")
    wanted = np.array(evaluate(model, data).confusion)
    forms = [(tmp_path / name, "auto") for name in ("n.safetensors", "folded.safetensors")]
    for form, backend in [
        *forms,
        *((path, name) for name in ("native", "onnxruntime", "openvino", "torch", "reference")),
    ]:
        found = np.array(evaluate(form, data, backend=backend).confusion)
        assert np.abs(found - wanted).sum() <= 2e-3 * wanted.sum(), (form, backend)  # on borders rounding decides


@pytest.mark.parametrize("scales", [(), (0.0, 1.0), (-1.0,), (float("nan"),), (float("inf"),), (1e6,)])
def test_scales_that_are_none_are_refused(run, model, scales):
    with pytest.raises(BadValue, match="one or more, each above 0 and at most 8, are required"):
        averaging_segmenter(run, model.spec, scales, False)


def test_files_that_give_classes_alone_are_not_averaged(run, model):
    output = model.spec.outputs[0].model_copy(update={"meaning": "label_map"})
    with pytest.raises(BadValue, match="gives classes, not how likely each is"):
        averaging_segmenter(run, model.spec.model_copy(update={"outputs": (output,)}), (1,), True)


def test_other_tasks_have_no_looks(data):
    with pytest.raises(
        BadValue, match="scales, flip and tiled are for segmenters; 'mobilenet_v2_035' has the task 'classify'"
    ):
        evaluate(uo.create_model("mobilenet_v2_035", num_classes=4), data, flip=True)


def test_segmenters_see_pictures_at_their_own_size(model, data):
    with pytest.raises(BadValue, match=r"reduced is for classifiers; '.*' has the task 'segment'"):
        evaluate(model, data, reduced=True)


def test_the_command_takes_scales(model, data, tmp_path, capsys):
    uo.save_weights(model, tmp_path / "n.safetensors")
    call = ["eval", str(tmp_path / "n.safetensors"), "--data", str(data)]
    with pytest.raises(SystemExit) as end:
        main([*call, "--scales", "0.5,1", "--flip", "--json"])
    assert end.value.code == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 1
    with pytest.raises(SystemExit):
        main([*call, "--scales", "half"])
    assert "--scales half: numbers separated by commas are required" in capsys.readouterr().err
