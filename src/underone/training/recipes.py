"""The recipes by name: a literal table. Each says where it comes from, what to expect, and what it costs."""

from collections.abc import Mapping
from pathlib import Path

from ..errors import BadFile, UnknownName
from .recipe import Recipe, Stage

# Sizes and strengths are recalled, not read; the epochs at which they change are measured off the paper's figure 4
_CURRICULUM = (
    Stage(until=38 / 300, size=160, strength=0.3),
    Stage(until=113 / 300, size=192, strength=0.6),
    Stage(until=1, size=224, strength=1.0),
)

MOBILEONE_IN1K = Recipe(
    name="mobileone_in1k",
    source="Vasu et al., CVPR 2023, section 3.3 and supplementary: SGD, cosine, annealed weight decay, EMA; S2 to S4 "
    "with AutoAugment, whose strength rises: policy=autoaugment",
    expected="S0 71.4, S1 75.9, S2 77.4, S3 78.1, S4 79.4 % top-1 on ImageNet-1k (the paper's; not run by us)",
    cost="300 epochs, 1.5 million steps of 256 pictures; the paper: one machine with 8 GPUs",
    unverified=("stages", "momentum", "policy"),
    model="mobileone_s0",
    epochs=300,
    batch=256,
    lr=0.1,
    weight_decay=1e-4,
    weight_decay_end=1e-5,
    label_smoothing=0.1,
    ema=0.9995,
    stages=_CURRICULUM,
)

MOBILENET_V2_IN1K = Recipe(
    name="mobilenet_v2_in1k",
    source="torchvision, references/classification: MobileNet V2 (StepLR there; here its cosine form)",
    expected="71.9 % top-1 on ImageNet-1k is torchvision's figure for its own schedule; not run by us",
    cost="300 epochs, 1.5 million steps of 256 pictures",
    unverified=("lr_end",),
    model="mobilenet_v2_100",
    epochs=300,
    batch=256,
    lr=0.045,
    weight_decay=4e-5,
)

FINETUNE = Recipe(
    name="finetune",
    source="ours",
    expected="depends on the pictures",
    cost="measured at 192 px on one shared core: 3,068 pictures, 12 epochs, 92 minutes",
    model="mobilenet_v2_100",
    weights="DEFAULT",
    epochs=12,
    batch=32,
    lr=0.01,
    nesterov=True,
    head_lr=5.0,
    warmup_epochs=0.5,
    weight_decay=1e-4,
    decay_norms=False,
    label_smoothing=0.1,
    ema=0.99,
    min_scale=0.35,
    policy="none",
)

SCRATCH = Recipe(
    name="scratch",
    source="ours: the MobileOne recipe for a small set of pictures",
    expected="depends on the pictures",
    cost="depends on the pictures",
    model="mobileone_s0",
    epochs=60,
    batch=64,
    lr=0.1,
    nesterov=True,
    warmup_epochs=2,
    weight_decay=5e-4,
    weight_decay_end=5e-5,
    decay_norms=False,
    label_smoothing=0.1,
    ema=0.995,
    size=128,
    min_scale=0.25,
    policy="randaugment",
)

DISTILL = SCRATCH.changed(
    name="distill",
    source="Hinton et al. (arXiv 1503.02531): softened answers of a teacher beside the labels",
    teacher_share=0.7,
    temperature=2.0,
)

# shares of 320 pixels: mmdetection's smallest sizes 48, 100, 150, 202, 253, 304 and the largest of the last map
_MMDETECTION_SCALES = (48 / 320, 100 / 320, 150 / 320, 202 / 320, 253 / 320, 304 / 320, 1.0)

QUANTIZE = Recipe(
    name="quantize",
    source="ours: straight-through rounding (Jacob et al., arXiv 1712.05877), ranges that learn on a log scale (Jain "
    "et al., arXiv 1903.08066), taught by the network's own float32 form",
    expected="about what the float32 network has; clothing10 (372 test pictures), one epoch: MobileOne-S0 78.2 % of "
    "77.7 %, MobileNet V2 89.2 % of 89.2 %",
    cost="measured on a shared core, 3,068 pictures, one epoch: MobileOne-S0 at 160 px 5 minutes, MobileNet V2 at "
    "224 px 18 minutes",
    model="mobilenet_v2_100",
    weights="DEFAULT",
    epochs=2,
    batch=32,
    optimizer="adamw",
    lr=2e-5,
    warmup_epochs=0.1,
    decay_norms=False,
    ema=0.99,
    min_scale=0.35,
    teacher_share=0.9,
    quantize=True,
)

SSDLITE320_MOBILEONE_COCO = Recipe(
    name="ssdlite320_mobileone_coco",
    source="Vasu et al., CVPR 2023, supplementary: SSDLite in mmdetection, SGD, cosine, warm-up of 4500 steps; anchors "
    "and augmentation are mmdetection's for SSDLite. The paper starts from ImageNet weights: give them, weights=FILE",
    expected="S1 25.7, S2 26.6, S3 27.3, S4 29.4 % AP on COCO val2017 (the paper's; not run by us)",
    cost="200 epochs, 123,000 steps of 192 pictures; the paper: one machine with 8 GPUs",
    unverified=("scales", "expand", "decay_norms"),
    task="detect",
    model="ssdlite320_mobileone_s1",
    epochs=200,
    batch=192,
    lr=0.05,
    warmup_epochs=7.3,
    weight_decay=1e-4,
    size=320,
    convention="torchvision",
    scales=_MMDETECTION_SCALES,
)

SSDLITE_VOC = Recipe(
    name="ssdlite_voc",
    source="ours, after the schedule that pytorch-ssd's author states for MobileNet V2: SGD, cosine, 200 epochs",
    expected="68.6 % VOC07 AP50 is what pytorch-ssd states for MobileNet V2 at 300 px; not run by us",
    cost="200 epochs of VOC 2007 and 2012, 138,000 steps of 24 pictures",
    unverified=("lr", "batch", "weight_decay"),
    task="detect",
    model="ssdlite320_mobilenet_v2_100",
    weights="backbone",
    epochs=200,
    batch=24,
    lr=0.01,
    warmup_epochs=1,
    weight_decay=5e-4,
    size=320,
)

FINETUNE_DETECTION = Recipe(
    name="finetune_detection",
    source="ours",
    expected="depends on the pictures; BCCD (205 pictures of blood cells): 86.6 % AP50, 51.4 % AP on its test part",
    cost="measured on BCCD on one shared core: 32 epochs, 30 minutes, with precision=bfloat16 and the stem and the "
    "first three blocks frozen",
    task="detect",
    model="ssdlite320_mobilenet_v2_100",
    weights="backbone",
    epochs=32,
    batch=8,
    optimizer="adamw",
    lr=5e-4,
    head_lr=2.0,
    warmup_epochs=1,
    weight_decay=1e-2,
    decay_norms=False,
    clip_norm=10.0,
    ema=0.99,
    size=320,
    convention="torchvision",
    scales=(0.09, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0),
    expand=1.5,
    photometric=0.5,
    channels_last=True,
)

DEEPLABV3_MOBILEONE_VOC = Recipe(
    name="deeplabv3_mobileone_voc",
    source="Vasu et al., CVPR 2023: DeepLabV3 of ml-cvnets by MobileViT's procedure (its pascal_voc/"
    "deeplabv3_mobilevit.yaml; noise, whose strength we do not know, and the pictures of COCO are left out). It starts "
    "from ImageNet weights: give them, weights=FILE",
    expected="S0 73.7, S1 77.3, S2 77.9, S3 78.8, S4 80.1 % mIoU on VOC 2012 val (the paper's; not run by us)",
    cost="50 epochs, 4,100 steps of 128 pictures of 512 px",
    unverified=("optimizer", "lr", "warmup_epochs", "head_lr", "weight_decay", "zoom", "photometric"),
    task="segment",
    model="deeplabv3_mobileone_s0",
    epochs=50,
    batch=128,
    optimizer="adamw",
    lr=9e-4,
    lr_end=1e-6,
    warmup_epochs=6.1,
    head_lr=10.0,
    weight_decay=0.01,
    ema=0.9995,
    size=512,
    output_stride=8,
    head_channels=512,
    auxiliary=0.4,
    zoom=(0.5, 1.5),
    rotation=10.0,
    sync_norms=True,
)

DEEPLABV3_MOBILEONE_ADE20K = DEEPLABV3_MOBILEONE_VOC.changed(
    name="deeplabv3_mobileone_ade20k",
    source="Vasu et al., CVPR 2023: on ADE20K with the values of VOC. It starts from ImageNet weights: give them, "
    "weights=FILE",
    expected="S0 33.1, S1 35.1, S2 35.7, S3 36.2, S4 38.2 % mIoU on ADE20K's validation part (the paper's; not run "
    "by us)",
    cost="50 epochs, 7,900 steps of 128 pictures of 512 px",
    unverified=(*DEEPLABV3_MOBILEONE_VOC.unverified, "batch"),
    warmup_epochs=3.2,
)

FINETUNE_SEGMENTATION = Recipe(
    name="finetune_segmentation",
    source="ours",
    expected="depends on the pictures; CamVid (367 frames, 11 classes): 63.1 % mIoU on its test part, with size=289 "
    "test_size=385 class_balance=0.3 head_lr=2",
    cost="measured on CamVid on one shared core: 36 epochs, 80 minutes, with precision=bfloat16 and the stem and the "
    "first two blocks frozen",
    task="segment",
    model="deeplabv3plus_mobilenet_v2_100",
    weights="backbone",
    separable=True,
    epochs=40,
    batch=8,
    optimizer="adamw",
    lr=5e-4,
    head_lr=3.0,
    warmup_epochs=1,
    weight_decay=1e-2,
    decay_norms=False,
    clip_norm=10.0,
    ema=0.99,
    size=321,
    photometric=0.5,
    channels_last=True,
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        MOBILEONE_IN1K, MOBILENET_V2_IN1K, FINETUNE, SCRATCH, DISTILL, QUANTIZE,
        SSDLITE320_MOBILEONE_COCO, SSDLITE_VOC, FINETUNE_DETECTION,
        DEEPLABV3_MOBILEONE_VOC, DEEPLABV3_MOBILEONE_ADE20K, FINETUNE_SEGMENTATION,
    )
}  # fmt: skip


def recipe_of(name: str) -> Recipe:
    """Return a recipe by its name, by ``name_smoke``, or from the ``recipe.yaml`` of a run.

    Raises:
        UnknownName: no such recipe.
        BadFile: the file is no recipe.
    """
    if name.endswith((".yaml", ".yml", ".json")):
        return read_recipe(Path(name))
    if name.endswith("_smoke") and name.removesuffix("_smoke") in RECIPES:
        return RECIPES[name.removesuffix("_smoke")].smoke()
    if name not in RECIPES:
        raise UnknownName("recipe", name, RECIPES)
    return RECIPES[name]


def read_recipe(path: Path) -> Recipe:
    """Read a recipe that was written as YAML.

    Raises:
        BadFile: not readable, or no recipe; the first fault is named.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text("utf-8"))
        return Recipe.model_validate(values)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise BadFile(f"{path} is no recipe: {reason}") from error


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe as YAML, its fields in the order of the class."""
    import yaml

    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), "utf-8")
