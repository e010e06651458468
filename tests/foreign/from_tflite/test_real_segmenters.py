"""DeepLab's TFLite files against LiteRT, on photographs."""

import numpy as np
import pytest
from PIL import Image

from underone import convert, load, settings
from underone.errors import FetchFailed
from underone.files import fetch
from underone.foreign import read_foreign
from underone.foreign.task import with_task
from underone.graph import run_reference
from underone.image import prepare, read_image
from underone.weights.labelled_photographs import LABELLED_PHOTOGRAPHS
from underone.weights.real_files import REAL_FILES

PHOTOGRAPHS = LABELLED_PHOTOGRAPHS[::4]


def fetched(pinned):
    try:
        return fetch(pinned)
    except FetchFailed as error:
        pytest.skip(str(error))


def litert_classes(path, stored):
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT, the oracle, is not installed")
    runner = litert.Interpreter(str(path), num_threads=1)
    runner.allocate_tensors()
    runner.set_tensor(runner.get_input_details()[0]["index"], np.ascontiguousarray(stored))
    runner.invoke()
    found = runner.get_tensor(runner.get_output_details()[0]["index"])[0]
    return found.argmax(-1) if found.ndim == 3 else found


def test_float_segmenter_gives_each_pixel_litert_s_class(tmp_path):
    source = fetched(REAL_FILES["deeplab_257_tflite"])
    conversion = convert(source, tmp_path / "net.onnx")
    assert conversion.spec.segmentation.alignment == "corners"
    with load(conversion.output, backend="native", threads=1) as net:
        for photograph in PHOTOGRAPHS:
            picture = read_image(fetched(photograph.file))
            x = prepare(picture, net.spec.input)
            want = litert_classes(source, x.transpose(0, 2, 3, 1))
            [got] = net.run(x).values()
            assert np.mean(got[0].argmax(0) == want) >= 0.999
            answer = net.segment(picture)
            assert answer.mask.shape == picture.shape[:2]
            assert {area.name for area in answer.areas if area.share > 0.01} <= set(net.spec.labels)


@pytest.mark.slow
def test_quantised_segmenter_with_its_rounding_is_as_near_to_litert_as_its_own_kernels():
    """LiteRT's two sets of kernels agree on 98.3 to 99.8 % of the pixels of a photograph with one another."""
    source = fetched(REAL_FILES["deeplab_uint8_tflite"])
    graph, _ = with_task(read_foreign(source).graph(quantised="kept"), "TFLite")
    assert graph.spec.outputs[0].meaning == "label_map"
    same = []
    for photograph in LABELLED_PHOTOGRAPHS[::7]:
        x = prepare(read_image(fetched(photograph.file)), graph.spec.input)
        want = litert_classes(source, np.rint(x * 128 + 128).astype(np.uint8).transpose(0, 2, 3, 1))
        [got] = run_reference(graph, {graph.inputs[0].name: x}).values()
        same.append(np.mean(got[0] == want))
    assert np.mean(same) >= 0.99


# overlap with drawn masks that others measured with LiteRT at the size of the mask
DRAWN = {"perched_bird": (3, 0.872), "samoyed": (12, 0.982)}


def test_float_segmenter_overlaps_drawn_masks_as_measured_with_litert(tmp_path):
    folder = settings.assets_dir()
    if folder is None:
        pytest.skip("UNDERONE_ASSETS names no folder")
    conversion = convert(fetched(REAL_FILES["deeplab_257_tflite"]), tmp_path / "net.onnx")
    with load(conversion.output, backend="native", threads=1) as net:
        for name, (index, iou) in DRAWN.items():
            with Image.open(folder / "photos" / "masks" / f"{name}.png") as drawn:
                truth = np.asarray(drawn)
            mask = net.segment(folder / "photos" / f"{name}.jpg").mask
            counted = truth != 255
            both = ((mask == index) & (truth == index))[counted].sum()
            either = ((mask == index) | (truth == index))[counted].sum()
            assert both / either == pytest.approx(iou, abs=0.004)
