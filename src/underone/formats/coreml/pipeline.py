"""Apple's suppression of overlapping boxes behind a detector, in a pipeline of two models.

Source: NonMaximumSuppression.proto of coremltools 9.0.
"""

from typing import Any

from ...spec import DetectionSpec
from ..decoding import CONFIDENCE, COORDINATES
from .vendor import ct, datatypes


def with_suppression(detector: Any, how: DetectionSpec, labels: tuple[str, ...]) -> Any:
    """Join a detector with a model that suppresses overlaps.

    Args:
        detector: an MLModel with the outputs of `with_decoding`.
        how: thresholds; users of the package can give others with each picture.
        labels: of the classes.

    Returns:
        An MLModel with the outputs ``confidence`` (boxes, classes) and ``coordinates`` (boxes, 4): centre and size as
        shares of the picture.
    """
    own = detector.get_spec().description
    suppression = _suppression(own, how, labels)
    pipeline = ct.models.pipeline.Pipeline(
        [
            ("image", datatypes.Array(1)),
            ("iouThreshold", datatypes.Double()),
            ("confidenceThreshold", datatypes.Double()),
        ],
        ["confidence", "coordinates"],
    )
    pipeline.add_model(detector.get_spec())
    pipeline.add_model(suppression)
    described = pipeline.spec.description
    described.input[0].CopyFrom(own.input[0])
    for i, output in enumerate(suppression.description.output):
        described.output[i].CopyFrom(output)
    for threshold in described.input[1:]:
        threshold.type.isOptional = True
    pipeline.spec.specificationVersion = detector.get_spec().specificationVersion
    return ct.models.MLModel(pipeline.spec, weights_dir=detector.weights_dir, skip_model_load=True)


def _suppression(own: Any, how: DetectionSpec, labels: tuple[str, ...]) -> Any:
    model = ct.proto.Model_pb2.Model(specificationVersion=5)
    given = {output.name: output for output in own.output}
    for name, width in ((CONFIDENCE, len(labels)), (COORDINATES, 4)):
        model.description.input.add().CopyFrom(given[name])
        output = model.description.output.add()
        output.name = name.removeprefix("raw_")
        output.type.multiArrayType.dataType = given[name].type.multiArrayType.dataType
        for least, most in ((0, -1), (width, width)):
            output.type.multiArrayType.shapeRange.sizeRanges.add(lowerBound=least, upperBound=most)
    nms = model.nonMaximumSuppression
    nms.confidenceInputFeatureName, nms.coordinatesInputFeatureName = CONFIDENCE, COORDINATES
    nms.confidenceOutputFeatureName, nms.coordinatesOutputFeatureName = "confidence", "coordinates"
    nms.iouThresholdInputFeatureName, nms.confidenceThresholdInputFeatureName = "iouThreshold", "confidenceThreshold"
    nms.iouThreshold, nms.confidenceThreshold = how.iou_threshold, how.score_threshold
    nms.pickTop.perClass = True
    nms.stringClassLabels.vector.extend(labels)
    return model
