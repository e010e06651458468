"""Read a TFLite file: its constants, its labels, and its network."""

from dataclasses import replace
from pathlib import Path

from ...graph import Array
from ..bounded import Budget, Reader, open_file
from ..detector import as_detector
from ..foreign_file import Cut, ForeignFile, Network
from .classifier import meaning_of, preparation_of
from .detection import detection_of, find_post_process
from .metadata import Metadata, read_labels, read_metadata
from .model_file import Operator, TFLiteFile, parse
from .network import finish, translate
from .operators import TABLE
from .real_values import real_values


def read_tflite(source: Path | str | bytes, where: str = "model.tflite", dequantise: bool = False) -> ForeignFile:
    """Read a TFLite file.

    Args:
        source: a path, or the bytes of a file.
        where: what to call bytes in a message.
        dequantise: give quantised constants in `tensors` as the float32 values that they stand for.

    Raises:
        BadFile: no TFLite file, or a damaged one; the offset is named.
        Unsupported: constants of a kind that is not read.
    """
    reader = Reader(memoryview(source), where) if isinstance(source, bytes) else open_file(Path(source))
    file = parse(reader)
    metadata = read_metadata(file.metadata)
    labels = read_labels(reader, next(iter(metadata.labels.values()))) if metadata.labels else None
    classifies = meaning_of(file, file.outputs) is not None
    tensors = {t.name: t.value for t in file.tensors if t.value is not None}
    return ForeignFile(
        where=file.where,
        format="TFLite",
        tensors=_real(file, tensors) if dequantise else tensors,
        labels=labels,
        preparation=preparation_of(file, file.inputs, metadata, classifies)[0] if file.inputs else None,
        build=lambda cut: _network(file, reader, cut, metadata, labels),
    )


def _real(file: TFLiteFile, tensors: dict[str, Array]) -> dict[str, Array]:
    scales = {t.name: t.scaled for t in file.tensors}
    return {n: a if (how := scales[n]) is None else real_values(a, how) for n, a in tensors.items()}


def _network(file: TFLiteFile, reader: Reader, cut: Cut, metadata: Metadata, labels: tuple[str, ...] | None) -> Network:
    end = None if cut.outputs else find_post_process(file)
    if end is not None:
        return _detector(file, reader, cut, metadata, labels, end)
    translation, inputs, outputs = translate(file, TABLE, cut, Budget(reader))
    meaning = meaning_of(file, outputs)
    preparation, how = preparation_of(file, inputs, metadata, meaning is not None)
    if how:
        translation.builder.note(how)
    classes = file.tensors[outputs[0]].shape[-1:]
    if labels is not None and (meaning is None or (len(labels),) != classes):
        translation.builder.note(f"the file's {len(labels)} labels are left out: no output has a score for each")
        labels = None
    meanings = {} if meaning is None else {file.tensors[outputs[0]].name: meaning}
    return finish(translation, outputs, labels=labels, preparation=preparation, meanings=meanings)


def _detector(
    file: TFLiteFile, reader: Reader, cut: Cut, metadata: Metadata, labels: tuple[str, ...] | None, end: Operator
) -> Network:
    """Make the network before the operator that makes boxes; what that does goes into the spec."""
    detection, notes = detection_of(file, end)
    codes, scores = (file.tensors[number].name for number in end.inputs[:2])
    translation, inputs, outputs = translate(file, TABLE, replace(cut, outputs=(codes, scores)), Budget(reader))
    preparation, how = preparation_of(file, inputs, metadata, classifies=True)  # whatever has classes is prepared alike
    if preparation is not None:
        preparation = preparation.model_copy(update={"resize": "squeeze"})
    translation.builder.note(f"operator {end.custom!r} is left out; the spec says what it does")
    if how:
        translation.builder.note(how)
    network = finish(translation, outputs, preparation=preparation)
    network = as_detector(network, (codes, "box_codes"), (scores, "probabilities"), detection, notes)
    spec = network.graph.spec
    if labels is not None and len(labels) == spec.classes:
        spec = spec.model_copy(update={"labels": labels})
    return network._replace(graph=replace(network.graph, spec=spec))
