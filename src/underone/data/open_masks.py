"""Segmentation data by its path: lists of pairs, two folders, or the layouts of VOC, ADE20K, Cityscapes and COCO."""

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from ..errors import BadFile, BadValue
from ..files import read_file
from ..spec import VOC_CLASSES
from .boxed import require_below
from .from_ade20k import is_ade20k, list_ade20k
from .from_cityscapes import is_cityscapes, list_cityscapes
from .from_coco import coco_places
from .from_coco_masks import from_coco_masks
from .masked import Color, MaskedPictures, list_masks, without_void
from .open_pictures import TEST, TRAIN, VALIDATION, Splits

_LONGEST = 1 << 26  # bytes of a list
_LONGEST_LINE = 1 << 13  # bytes of its first line
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

_FOLDERS = ((is_ade20k, list_ade20k), (is_cityscapes, list_cityscapes))  # otherwise images/ and masks/
MASK_PARTS = {
    "train": ("trainaug", *TRAIN),
    "val": VALIDATION,
    "test": TEST,
}  # names of each, the first wins

LAYOUTS = (
    "lists of pairs (PART.txt), folders (PART/images and PART/masks), and the layouts of VOC "
    "(ImageSets/Segmentation), ADE20K (images/training), Cityscapes (leftImg8bit) and COCO (annotations)"
)


class _Classes(NamedTuple):
    names: tuple[str | None, ...]
    colors: dict[Color, int] | None


def open_masks(source: str | PathLike[str], classes: Sequence[str] | None = None) -> MaskedPictures:
    """List pictures with their masks.

    Args:
        source: a list (.txt) with a picture and its mask a line, paths from its own folder; a VOC list
            (``ROOT/ImageSets/Segmentation/PART.txt``); or a folder with ``images/`` and ``masks/``, paired by name. The
            classes stand in ``classes.txt`` beside it or one folder up, a name a line in the order of the values, or
            ``R G B name`` where masks are colours; ``void`` and ``ignore`` are no classes. VOC's lists need none. Or a
            part of ADE20K (``images/training``) or Cityscapes (``leftImg8bit/train``). Or a COCO file (.json), of
            objects with outlines or of panoptic segments, as `from_coco_masks` reads it.
        classes: names by class index that the data must have; None: any.

    Raises:
        BadFile: there is no such data, or it is damaged or empty.
        BadValue: it has other classes.
    """
    path = Path(source)
    reader = next((read for is_theirs, read in _FOLDERS if is_theirs(path)), _from_folder)
    of_file = from_coco_masks if path.suffix == ".json" else _from_list
    found = reader(path) if path.is_dir() else of_file(path)
    if classes is not None and tuple(classes) != found.classes:
        other = next((pair for pair in zip(classes, found.classes, strict=False) if pair[0] != pair[1]), None)
        where = "" if other is None else f", first {other[1]!r} where {other[0]!r} is"
        raise BadValue(f"{path} has {len(found.classes)} classes, {len(classes)} are asked for{where}")
    return found


def open_mask_splits(root: str | PathLike[str]) -> Splits[MaskedPictures]:
    """List the parts of a data set.

    Args:
        root: folder with ``train.txt``, ``val.txt`` (or valid, validation) and perhaps ``test.txt``; with
            ``ImageSets/Segmentation`` (VOC; ``trainaug.txt`` before ``train.txt``); with a folder for each part; with
            ``annotations/panoptic_train.json``, ``annotations/instances_train.json`` or
            ``train/_annotations.coco.json`` (COCO); or ADE20K's and Cityscapes' own.

    Raises:
        BadFile: a part is missing, damaged or empty.
        BadValue: a part has other classes than the training part.
    """
    root = Path(root)
    train = open_masks(_required(root, MASK_PARTS["train"]))
    validation = open_masks(_required(root, MASK_PARTS["val"]), train.classes)
    test = find_mask_part(root, MASK_PARTS["test"])
    return Splits(train, validation, open_masks(test, train.classes) if test else None)


def find_mask_part(root: Path, names: Sequence[str]) -> Path | None:
    """Return what `open_masks` takes for the first of these parts that a data set has; None: it has none."""
    return next((place for name in names for place in _places(root, name)), None)


def _places(root: Path, part: str) -> Iterator[Path]:
    """Give what there is of a part, the first the likeliest."""
    if _lists_pairs(root / f"{part}.txt"):
        yield root / f"{part}.txt"
    if (root / "ImageSets" / "Segmentation" / f"{part}.txt").is_file():
        yield root / "ImageSets" / "Segmentation" / f"{part}.txt"
    if (root / part / "images").is_dir():
        yield root / part
    for place in (root / "images" / part, root / "leftImg8bit" / part):
        if any(is_theirs(place) for is_theirs, _ in _FOLDERS) and part not in TEST:  # their masks are not public
            yield place
    yield from (place for place in coco_places(root, part, ("panoptic", "instances")) if place.is_file())


def _lists_pairs(path: Path) -> bool:
    """Tell whether a list has a picture and its mask a line: others list pictures, or names, under the same name."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return len(file.readline(_LONGEST_LINE).split()) == 2


def _required(root: Path, names: Sequence[str]) -> Path:
    found = find_mask_part(root, names)
    if found is None:
        raise BadFile(f"{root} has no part {' or '.join(names)} with masks; {LAYOUTS} are known")
    return found


def _from_list(path: Path) -> MaskedPictures:
    lines = [line.split() for line in _lines(path) if line.strip()]
    if path.parent.name == "Segmentation" and path.parent.parent.name == "ImageSets":
        stems = [require_below(path, words[0]) for words in lines]
        rows = [(f"JPEGImages/{stem}.jpg", f"SegmentationClass/{stem}.png") for stem in stems]
        return list_masks(path, path.parent.parent.parent, rows, VOC_CLASSES)
    bad = next((number for number, words in enumerate(lines, 1) if len(words) != 2), None)
    if bad is not None:
        raise BadFile(f"{path}: entry {bad} has {len(lines[bad - 1])} words; a picture and its mask are required")
    pairs = [(require_below(path, picture), require_below(path, mask)) for picture, mask in lines]
    known = _classes(path.parent)
    return list_masks(path, path.parent, pairs, known.names, colors=known.colors)


def _from_folder(path: Path) -> MaskedPictures:
    pictures, masks = ({p.stem: p for p in sorted((path / n).glob("*")) if p.suffix.lower() in _PICTURES}
                       for n in ("images", "masks"))  # fmt: skip
    alone = sorted(pictures.keys() ^ masks.keys())
    if alone:
        raise BadFile(f"{path}: {len(alone)} names stand in images/ or masks/ only, first {alone[0]!r}")
    rows = [(f"images/{pictures[stem].name}", f"masks/{masks[stem].name}") for stem in pictures]
    known = _classes(path)
    return list_masks(path, path, rows, known.names, colors=known.colors)


def _classes(folder: Path) -> _Classes:
    place = next((p / "classes.txt" for p in (folder, folder.parent) if (p / "classes.txt").is_file()), None)
    if place is None:
        raise BadFile(f"{folder}: no classes.txt there or one folder up; it names the classes, one a line")
    lines = [line.strip() for line in _lines(place) if line.strip()]
    rows = [line.split(maxsplit=3) for line in lines]
    colored = [len(row) == 4 and all(word.isdigit() and int(word) < 256 for word in row[:3]) for row in rows]
    if any(colored) and not all(colored):
        raise BadFile(f"{place}: line {colored.index(False) + 1} has no colour; 'R G B name' is required as in others")
    names = [row[3] for row in rows] if any(colored) else lines
    colors = {(int(r), int(g), int(b)): i for i, (r, g, b, _) in enumerate(rows)} if any(colored) else None
    return _Classes(without_void(names), colors)


def _lines(path: Path) -> list[str]:
    try:
        return read_file(path, _LONGEST).decode().splitlines()
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is no text in UTF-8: byte {error.start}") from error
