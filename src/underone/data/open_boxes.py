"""Detection data by its path: which reader it is for, and which part is for what."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path

from ..errors import BadFile
from .boxed import BoxedPictures
from .from_box_csv import from_box_csv, is_box_table
from .from_coco import coco_places, from_coco
from .from_voc import from_voc
from .from_yolo import from_yolo, read_yolo_parts
from .open_pictures import TEST, TRAIN, VALIDATION, Splits


def open_boxes(source: str | PathLike[str], classes: Sequence[str] | None = None) -> BoxedPictures:
    """List pictures with their boxes.

    Args:
        source: a COCO file (.json); a VOC list (``ROOT/ImageSets/Main/PART.txt``); a .csv table with a row a box; or a
            folder of pictures with YOLO's text files, as `from_yolo` finds them.
        classes: names by class index; None: as the data has them.

    Raises:
        BadFile: there is no such data, or it is damaged or empty.
        BadValue: it has other classes.
    """
    path = Path(source)
    return _READERS.get(path.suffix.lower(), from_yolo)(path, classes)


_READERS: Mapping[str, Callable[[Path, Sequence[str] | None], BoxedPictures]] = {
    ".json": from_coco,
    ".txt": from_voc,
    ".csv": from_box_csv,
}


def open_box_splits(root: str | PathLike[str]) -> Splits[BoxedPictures]:
    """List the parts of a data set; the classes are those of the training part.

    Args:
        root: folder with ``ImageSets/Main/train.txt`` and so on (VOC), ``annotations/instances_train.json`` or
            ``train/_annotations.coco.json`` (COCO), ``data.yaml`` (YOLO; the file itself may be given too), or
            ``train.csv`` and so on. The parts are train, val (or valid, validation) and perhaps test.

    Raises:
        BadFile: a part is missing, damaged or empty.
        BadValue: a part has a class that the training part has not.
    """
    root = Path(root)
    parts, classes = box_parts(root)
    for names in (TRAIN, VALIDATION):
        if not any(name in parts for name in names):
            raise BadFile(
                f"{root} has no part {' or '.join(names)} with boxes; VOC's ImageSets/Main/{names[0]}.txt, COCO's "
                f"annotations/instances_{names[0]}.json, YOLO's data.yaml or {names[0]}.csv with a column for each "
                "edge of a box is required"
            )
    train = open_boxes(_of(parts, TRAIN), classes)
    has_test = any(name in parts for name in TEST)
    return Splits(
        train,
        open_boxes(_of(parts, VALIDATION), train.classes),
        open_boxes(_of(parts, TEST), train.classes) if has_test else None,
    )


def box_parts(root: Path) -> tuple[dict[str, Path], tuple[str, ...] | None]:
    """Return what there is of each part, and the classes where they are stated for all parts.

    Raises:
        BadFile: a ``data.yaml`` or a table that cannot be read.
    """
    table = root if root.suffix in (".yaml", ".yml") else root / "data.yaml"
    if table.is_file():
        return read_yolo_parts(table)
    parts = {}
    for part in (*TRAIN, *VALIDATION, *TEST):
        found = next((path for path in _places(root, part) if _holds_boxes(path)), None)
        if found:
            parts[part] = found
    return parts, None


def _places(root: Path, part: str) -> list[Path]:
    return [root / "ImageSets" / "Main" / f"{part}.txt", *coco_places(root, part), root / f"{part}.csv"]


def _holds_boxes(path: Path) -> bool:
    return path.is_file() and (path.suffix != ".csv" or is_box_table(path))


def _of(parts: Mapping[str, Path], names: Sequence[str]) -> Path:
    return next(parts[name] for name in names if name in parts)
