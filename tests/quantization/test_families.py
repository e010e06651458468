"""Every family of the zoo in 8 bits, on batch norms that have seen photographs: nothing breaks, little is lost."""

import pytest

import underone as uo
from underone.compare import difference
from underone.image import photographs
from underone.quantization.pictures import Calibration

NETWORKS = (
    "mobileone_s0", "mobileone_s1", "mobileone_s4", "mobilenet_v1_100", "mobilenet_v2_100", "efficientnet_lite0",
    "ssdlite320_mobileone_s0", "ssdlite320_mobilenet_v2_100", "deeplabv3_mobileone_s0",
    "deeplabv3plus_mobilenet_v2_100",
)  # fmt: skip
LIMIT = 0.1  # NMSE, what `quantize` itself demands on its own pictures; random weights, so no figure of accuracy


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_network_of_the_zoo_is_quantised(name, tmp_path, randomize_statistics):
    model = randomize_statistics(uo.create_model(name, num_classes=11), size=128)
    size = None if name.startswith(("ssd", "mobilenet_v2")) else (160, 160)
    source = uo.export(uo.reparameterize(model), tmp_path / "float.onnx", size=size)
    pictures = [photo.content for photo in photographs()]
    path = uo.quantize(source, pictures, tmp_path / "int8.onnx")
    assert path.stat().st_size < 0.4 * source.stat().st_size  # weights of squeeze-and-excite stay float
    with uo.load(source) as exact, uo.load(path, backend="onnxruntime") as rough:
        images = Calibration(pictures, exact.spec.input).batch(3)
        want, got = exact.run(images), rough.run(images)
        assert rough.spec.task == exact.spec.task
    for output, array in want.items():
        assert difference(got[output], array)[0] < LIMIT, output
