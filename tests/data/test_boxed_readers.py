"""Readers of pictures with boxes: the same three boxes in four formats, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from underone.data.boxed import BoxedPictures
from underone.data.open_boxes import open_box_splits, open_boxes
from underone.errors import BadFile, BadValue
from underone.settings import assets_dir

CORNERS = [[[10, 20, 30, 60], [0, 0, 80, 50]], [[5, 5, 7, 50]]]  # of two pictures 80 x 100 (width x height)
NAMES = [["cat", "dog"], ["cat"]]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures; the last has no boxes."""
    for folder in ("JPEGImages", "images", "."):
        (tmp_path / folder).mkdir(exist_ok=True)
        for number in range(3):
            Image.new("RGB", (80, 100), (number, 0, 0)).save(tmp_path / folder / f"{number}.png")
    return tmp_path


def voc(root: Path, objects: str | None = None) -> Path:
    (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
    (root / "Annotations").mkdir(exist_ok=True)
    for number in range(3):
        boxes = zip(CORNERS[number], NAMES[number], strict=True) if number < 2 else ()
        found = "".join(
            f"<object><name>{name}</name><difficult>{int(name == 'dog')}</difficult><bndbox><xmin>{x1 + 1}</xmin>"
            f"<ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for (x1, y1, x2, y2), name in boxes
        )
        text = found if objects is None else objects
        (root / "Annotations" / f"{number}.xml").write_text(f"<annotation>{text}</annotation>")
    path = root / "ImageSets" / "Main" / "train.txt"
    path.write_text("0\n1\n2\n")
    return path


def coco(root: Path, **changes: object) -> Path:
    boxes = [(i, box, name) for i in range(2) for box, name in zip(CORNERS[i], NAMES[i], strict=True)]
    raw = {
        "images": [{"id": 7 + i, "file_name": f"{i}.png"} for i in range(3)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": 7 + i, "category_id": 3 if name == "cat" else 90, "iscrowd": int(name == "dog"),
             "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]], "area": 12.5}
            for n, (i, box, name) in enumerate(boxes)
        ],
    }  # fmt: skip
    path = root / "annotations" / "instances_train.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(raw | changes))
    return path


def yolo(root: Path, line: str | None = None) -> Path:
    (root / "labels").mkdir(exist_ok=True)
    for i in range(2):
        rows = [
            f"{int(name == 'dog')} {(x1 + x2) / 160} {(y1 + y2) / 200} {(x2 - x1) / 80} {(y2 - y1) / 100}"
            for (x1, y1, x2, y2), name in zip(CORNERS[i], NAMES[i], strict=True)
        ]
        (root / "labels" / f"{i}.txt").write_text("\n".join(rows) if line is None else line)
    return root / "images"


def table(root: Path, text: str | None = None) -> Path:
    rows = [
        f"{i}.png,{name},{','.join(map(str, box))}"
        for i in range(2)
        for box, name in zip(CORNERS[i], NAMES[i], strict=True)
    ]
    path = root / "train.csv"
    path.write_text(
        "\n".join(["file,label,xmin,ymin,xmax,ymax", *rows, "2.png,,,,,"]) if text is None else text, encoding="utf-8"
    )
    return path


def require_the_three(found: BoxedPictures) -> None:
    assert [Path(found.name(i)).name for i in range(3)] == ["0.png", "1.png", "2.png"]
    for picture in range(2):
        boxes = found.boxes(picture, (100, 80))
        np.testing.assert_allclose(boxes.corners, CORNERS[picture], atol=1e-4)
        assert [found.classes[i] for i in boxes.class_ids] == NAMES[picture]
    assert found.boxes(2, (100, 80)).corners.shape == (0, 4)
    assert found.read(0) == Path(found.name(0)).read_bytes()


@pytest.mark.parametrize("write", [voc, coco, yolo, table])
def test_every_format_gives_the_same_boxes(pictures, write):
    found = open_boxes(write(pictures), ("cat", "dog"))
    assert found.classes == ("cat", "dog")
    require_the_three(found)


def test_classes_are_those_of_the_data(pictures):
    assert open_boxes(voc(pictures)).classes == open_boxes(coco(pictures)).classes == ("cat", "dog")
    assert open_boxes(yolo(pictures)).classes == ("0", "1")


def test_marks_and_areas_are_kept(pictures):
    assert open_boxes(voc(pictures)).table.difficult.tolist() == [False, True, False]
    found = open_boxes(coco(pictures)).table
    assert found.crowd.tolist() == [False, True, False]
    assert found.areas.tolist() == [12.5] * 3
    np.testing.assert_allclose(open_boxes(yolo(pictures)).boxes(0, (100, 80)).areas, [800, 4000], rtol=1e-5)


def test_boxes_are_cut_at_the_border_and_dropped_without_area(pictures):
    path = table(pictures, "file,label,x1,y1,x2,y2\n0.png,a,-5,-5,10,10\n0.png,a,9,9,9,20\n0.png,a,90,0,95,9\n")
    assert open_boxes(path).boxes(0, (100, 80)).corners.tolist() == [[0, 0, 10, 10]]
    assert len(open_boxes(path).listed(0).corners) == 3


def test_a_voc_box_that_ends_where_it_begins_has_no_area(pictures):
    numbers = "<xmin>504</xmin><ymin>337</ymin><xmax>504</xmax><ymax>337</ymax>"
    path = voc(pictures, f"<object><name>a</name><bndbox>{numbers}</bndbox></object>")
    assert open_boxes(path).listed(0).corners.tolist() == [[503, 336, 503, 336]]


def test_splits_are_found_in_every_layout(pictures):
    for write in (voc, coco, table):
        path = write(pictures)
        (path.with_name(path.name.replace("train", "val"))).write_bytes(path.read_bytes())
        splits = open_box_splits(pictures)
        assert splits.test is None
        require_the_three(splits.validation)
        path.with_name(path.name.replace("train", "val")).unlink()
        path.unlink()
    yolo(pictures)
    (pictures / "data.yaml").write_text("names: {0: cat, 1: dog}\ntrain: images\nval: ../images\n")
    splits = open_box_splits(pictures)
    assert splits.train.classes == ("cat", "dog")
    require_the_three(splits.train)


def test_a_folder_without_parts_is_refused(tmp_path):
    with pytest.raises(BadFile, match=r"no part train or training with boxes; VOC's ImageSets/Main/train.txt"):
        open_box_splits(tmp_path)


OBJECT = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (OBJECT.format("a", "x"), r"0\.xml: object 1 has the corners \['x', '1', '9', '9'\]; four numbers"),
        (OBJECT.format("", "1"), r"object 1 has no name"),
        (OBJECT.format("a", "nan"), r"box 1 of 'JPEGImages/0.png' has the corners \[nan"),
        (OBJECT.format("a", "1e300"), r"finite numbers up to 1000000 are required"),
        ("<object>", r"0\.xml is no XML: "),
        ("", r"lists 3 pictures and no box"),
    ],
)
def test_damaged_xml_is_refused(pictures, objects, message):
    path = voc(pictures, objects)
    with pytest.raises(BadFile, match=message):
        open_boxes(path)


def test_xml_with_entities_is_refused(pictures):
    path = voc(pictures)
    (pictures / "Annotations" / "0.xml").write_text('<!DOCTYPE a [<!ENTITY b "bbbb">]><annotation>&b;</annotation>')
    with pytest.raises(BadFile, match="has a document type; plain XML is required"):
        open_boxes(path)


def test_names_without_pictures_are_refused(pictures):
    path = voc(pictures)
    path.write_text("0\n9\n")
    with pytest.raises(BadFile, match=r"there is no picture .*9\.\* for the name '9'"):
        open_boxes(path)
    path.write_text("../0\n")
    with pytest.raises(BadFile, match=r"'\.\./0' is not below its folder"):
        open_boxes(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match="is no list of names"):
        open_boxes(path)
    path.write_text("")
    with pytest.raises(BadFile, match="lists no picture"):
        open_boxes(path)


def box(**changes: object) -> dict[str, object]:
    return {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": [box(bbox=[1, 2, 3])]}, "annotation 0 has no bbox of four numbers"),
        ({"annotations": [box(category_id=4)]}, "known category_id"),
        ({"annotations": [box(image_id=99)]}, "annotation 0 is of the picture 99, which is not listed"),
        ({"annotations": [box(area=float("inf"))]}, "the image_id 7 and the area inf"),
        ({"annotations": [box(bbox=[1, 2, 1e30, 4])]}, "finite numbers up to"),
        ({"annotations": [3]}, "annotation 0 has no bbox"),
        ({"annotations": {}}, "an object with the lists images, annotations, categories"),
        ({"images": [{"id": 7, "file_name": "0.png"}] * 2}, "entry 1 of images has the id 7"),
        ({"images": [{"id": 7, "file_name": "/etc/passwd"}]}, "'/etc/passwd' is not below its folder"),
        ({"images": [{"id": 7, "file_name": "none.png"}], "annotations": [box()]}, "the picture 'none.png' is in none"),
        ({"images": [], "annotations": []}, "lists no picture"),
    ],
)
def test_damaged_coco_files_are_refused(pictures, changes, message):
    path = coco(pictures, **changes)
    with pytest.raises(BadFile, match=message):
        open_boxes(path)


def test_json_that_is_none_or_too_deep_is_refused(pictures):
    path = coco(pictures)
    for text in ("{", "[" * 100_000, "[]"):
        path.write_text(text)
        with pytest.raises(BadFile, match=r"is no JSON|is no COCO file"):
            open_boxes(path)


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("0 0.5 0.5 0.1", BadFile, r"0\.txt, line 1: '0 0.5 0.5 0.1' is no box"),
        ("0 0.5 0.5 0.1 x", BadFile, "is no box"),
        ("0 0.5 0.5 0.1 inf", BadFile, "finite numbers"),
        ("2 0.5 0.5 0.1 0.1", BadValue, "the class 2 is not among the 2, which count from 0"),
        ("-1 0.5 0.5 0.1 0.1", BadValue, "the class -1"),
    ],
)
def test_damaged_yolo_lines_are_refused(pictures, line, kind, message):
    folder = yolo(pictures, line)
    with pytest.raises(kind, match=message):
        open_boxes(folder, ("cat", "dog"))


def test_pictures_without_any_text_file_are_refused(pictures):
    message = r"JPEGImages: none of its 3 pictures has a text file of boxes, as .*0\.txt; for COCO give its \.json"
    with pytest.raises(BadFile, match=message):
        open_boxes(pictures / "JPEGImages")


def test_a_data_yaml_that_is_none_is_refused(pictures):
    (pictures / "data.yaml").write_text("[")
    with pytest.raises(BadFile, match=r"data\.yaml is no YAML: "):
        open_box_splits(pictures)


def test_labels_that_are_no_text_are_refused(pictures):
    folder = yolo(pictures)
    (pictures / "labels" / "0.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match=r"0\.txt is no text: "):
        open_boxes(folder)


def test_a_data_yaml_without_names_is_refused(pictures):
    for text in ("train: images", "names: 3", "names: {0: a, 2: b}", "[", "names: []"):
        (pictures / "data.yaml").write_text(text)
        with pytest.raises(BadFile, match=r"is no YAML: |has no 'names'"):
            open_box_splits(pictures)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label,x1,y1,x2\n", r"one of y2, ymax is required"),
        ("file,label,x1,y1,x2,y2\n0.png,a,1,2,3,\n", r"row 2: the corners are \['1', '2', '3', ''\]; four numbers"),
        ("file,label,x1,y1,x2,y2\n0.png,,1,2,3,4\n", "row 2: the box has no label"),
        ("file,label,x1,y1,x2,y2\n../0.png,a,1,2,3,4\n", "not below its folder"),
        ("file,label,x1,y1,x2,y2\n", "lists no picture"),
    ],
)
def test_damaged_tables_are_refused(pictures, text, message):
    path = table(pictures, text)
    with pytest.raises(BadFile, match=message):
        open_boxes(path)


def test_labels_that_the_network_has_not_are_refused(pictures):
    for write in (voc, coco, table):
        with pytest.raises(BadValue, match=r"has the labels \['dog'\], which are not among the 1: \['cat'\]"):
            open_boxes(write(pictures), ("cat",))


def test_missing_files_are_refused(tmp_path):
    for name in ("a.json", "a.csv", "ImageSets/Main/a.txt", "folder"):
        with pytest.raises(BadFile, match=r"cannot be read|no table|is no folder"):
            open_boxes(tmp_path / name)
    names = tmp_path / "ImageSets" / "Main" / "a.txt"
    names.parent.mkdir(parents=True)
    names.write_text("0\n")
    with pytest.raises(BadFile, match=r"JPEGImages cannot be listed"):
        open_boxes(names)


def test_bccd_has_the_boxes_that_its_readme_counts():
    assets = assets_dir()
    if assets is None or not (assets / "bccd").is_dir():
        pytest.skip("UNDERONE_ASSETS names no folder with bccd/")
    splits = open_box_splits(assets / "bccd")
    counts = {name: np.bincount(part.table.class_ids).tolist() for name, part in splits._asdict().items()}
    assert splits.train.classes == ("Platelets", "RBC", "WBC")
    assert counts == {"train": [209, 2382, 214], "validation": [83, 968, 87], "test": [69, 805, 71]}
    usable = [sum(len(p.boxes(i, (480, 640)).corners) for i in range(len(p))) for p in splits if p]
    assert usable == [2804, 1137, 945]  # two boxes have no area
