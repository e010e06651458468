"""The packaged networks that tell clothing apart: exported, verified, and scored where the test pictures are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from .. import settings
from ..compare import Verdict
from ..data import Pictures, open_pictures
from ..evaluation import ClassScore, evaluate
from ..formats import export
from ..graph import read_verdict
from ..post import Classification
from ..runtime import load
from ..spec import ModelSpec
from ..weights import TRAINED_WEIGHTS
from ..zoo import create_model
from .form import Form

TAG = "clothing10"


@dataclass(frozen=True)
class Answered:
    """A test picture with what was said about it.

    Attributes:
        content: bytes of the file.
        target: the right class.
        answer: of the network.
    """

    content: bytes
    target: str
    answer: Classification


@dataclass(frozen=True)
class Clothing:
    """A network of clothing in the form that ships.

    Attributes:
        form: the file and its proof.
        score: of the file on the test pictures; None: they are not here.
        int8: score of the packaged file in 8 bits on the same pictures; None as well.
        shown: one picture of each class.
    """

    form: Form
    score: ClassScore | None
    int8: ClassScore | None = None
    shown: tuple[Answered, ...] = ()


def clothing_networks(folder: Path, progress: Callable[[str], None]) -> list[Clothing]:
    """Export the packaged networks into a folder, and score the files on the test pictures of UNDERONE_ASSETS."""
    return [_network(entry.model, folder, progress) for entry in TRAINED_WEIGHTS if entry.tag == TAG]


def _network(model: str, folder: Path, progress: Callable[[str], None]) -> Clothing:
    net = create_model(model, weights=TAG)
    path = export(net, folder / f"{model}.{TAG}.onnx")
    form = Form(cast(ModelSpec, net.spec), path, cast(Verdict, read_verdict(path)))
    test = test_folder()
    if test is None:
        progress(f"{path.name} exported and verified; its test pictures are not on this machine")
        return Clothing(form, None)
    with load(f"{model}.{TAG}_int8") as engine:
        int8 = cast(ClassScore, evaluate(engine, test))
    with load(path) as engine:
        score = cast(ClassScore, evaluate(engine, test))
        said = f"{score.top1:.1f} % of {score.pictures} test pictures right, in 8 bits {int8.top1:.1f} %"
        progress(f"{path.name} exported and verified; {said}")
        pictures = open_pictures(test, form.spec.labels)
        shown = tuple(_answered(pictures, i, engine.classify) for i in _first_of_each(pictures))
        return Clothing(form, score, int8, shown)


def test_folder() -> Path | None:
    """Return the folder of the test pictures, which are not packaged; None where it is not."""
    assets = settings.assets_dir()
    folder = assets / "clothing" / "test" if assets else None
    return folder if folder and folder.is_dir() else None


def _first_of_each(pictures: Pictures) -> list[int]:
    targets = pictures.targets.tolist()
    return [targets.index(number) for number in range(len(pictures.classes)) if number in targets]


def _answered(pictures: Pictures, index: int, classify: Callable[[bytes], Classification]) -> Answered:
    content = pictures.read(index)
    return Answered(content, pictures.classes[pictures.targets[index]], classify(content))
