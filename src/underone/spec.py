"""ModelSpec: what a network takes, gives and is, in one JSON that travels inside every file we write."""

import json
import warnings
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError, ValidationInfo, model_validator

from .errors import BadFile, BadValue

SPEC_VERSION = (1, 0)  # major: readers must refuse; minor: fields were added

Shape = tuple[int | None, ...]
R = TypeVar("R", bound="Frozen")


class Frozen(BaseModel):
    """An immutable record that refuses fields it does not know.

    Only when read with the context ``{"newer": True}`` (a file of a newer minor version) are unknown fields kept.
    Computed fields are written for readers, but derived again when read, never believed.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_computed(cls, raw: Any) -> Any:
        return {k: v for k, v in raw.items() if k not in cls.model_computed_fields} if isinstance(raw, dict) else raw

    @model_validator(mode="after")
    def _refuse_unknown(self, info: ValidationInfo) -> Self:
        if self.model_extra and not (info.context or {}).get("newer"):
            raise ValueError(f"unknown fields: {', '.join(sorted(self.model_extra))}")
        return self

    def unknown_fields(self) -> list[str]:
        """List the fields that this version does not know, nested records included."""
        found = sorted(self.model_extra or {})
        for name in type(self).model_fields:
            value = getattr(self, name)
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, Frozen):
                    found += [f"{name}.{field}" for field in item.unknown_fields()]
        return found


class Preparation(Frozen):
    """How a picture becomes the input tensor.

    Attributes:
        color: channel order of the tensor.
        resize: ``cover``: keep the shape, cover (H, W) / crop_ratio, cut the centre; ``squeeze``: resize to (H, W).
        crop_ratio: share of the resized picture that the centre crop keeps, 0 < ratio <= 1; ``cover`` only.
        interpolation: resampling filter, antialiased when it shrinks.
        range: tensor values of byte 0 and byte 255, before mean and std.
        mean: per channel, in units of `range`.
        std: per channel, in units of `range`.
        size: (height, width) in pixels of the tensor, where the network takes any and nobody asks for one.
    """

    color: Literal["RGB", "BGR", "GRAY"] = "RGB"
    resize: Literal["cover", "squeeze"] = "cover"
    crop_ratio: float = 0.875
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    size: tuple[PositiveInt, PositiveInt] | None = None

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        channels = 1 if self.color == "GRAY" else 3
        if len(self.mean) != channels or len(self.std) != channels:
            raise ValueError(f"mean and std need {channels} values for {self.color}")
        if not 0 < self.crop_ratio <= 1:
            raise ValueError(f"crop_ratio is {self.crop_ratio}; 0 < crop_ratio <= 1 is required")
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}; values above 0 are required")
        return self


IMAGENET_PREPARATION = Preparation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class InputSpec(Frozen):
    """One input tensor.

    Attributes:
        name: of the tensor in the file.
        shape: in the file's own layout, None where any size is taken; () where nothing is known.
        layout: order of the axes of a picture input.
        dtype: numpy's name of its numbers.
        preparation: how a picture becomes this tensor; None: the caller prepares it.
    """

    name: str = "image"
    shape: Shape = ()
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    dtype: str = "float32"
    preparation: Preparation | None = None

    @property
    def size(self) -> tuple[int | None, int | None]:
        """(height, width) of the picture in pixels, None where any is taken; for shapes of four axes."""
        _, *rest = self.shape
        return (rest[1], rest[2]) if self.layout == "NCHW" else (rest[0], rest[1])


class OutputSpec(Frozen):
    """One output tensor and what it means.

    Attributes:
        name: of the tensor in the file.
        shape: None where the size follows the input's; () where nothing is known.
        dtype: numpy's name of its numbers.
        meaning: ``logits`` and ``probabilities`` (N, classes), ``features`` (N, C, H, W); None: unknown.
    """

    name: str
    shape: Shape = ()
    dtype: str = "float32"
    meaning: Literal["logits", "probabilities", "features"] | None = None


class Published(Frozen):
    """Figures that somebody else published; never our own measurements.

    Attributes:
        source: who published them, and what they count.
        params: number of weights.
        macs: multiply-accumulates for one picture of the published size, 224 x 224 for the whole zoo.
        top1: accuracy on the validation pictures of ImageNet-1k, in percent.
        top5: the same for the best five answers.
    """

    source: str
    params: int | None = None
    macs: int | None = None
    top1: float | None = None
    top5: float | None = None


class ModelSpec(Frozen):
    """Everything about a network that is not in its weights.

    Attributes:
        spec_version: "major.minor" of this record's form.
        task: what the outputs answer; None: unknown, names and shapes only.
        form: ``training`` (branches and batch norms) or ``folded``; None: unknown.
        inputs: input tensors in the order of the file.
        outputs: output tensors in the order of the file.
        labels: class names by index of the output vector; a background class stays at its index.
        padding: rule of strided convolutions: ``symmetric`` (PyTorch), ``tf_same`` (by run-time size) or ``keras``
            (below and right only).
        bn_eps: epsilon of the batch norms, also after they are folded.
        weights: where the weights come from, for example ``torchvision_in1k``, ``torchvision_in1k, new head`` where
            the classifier on top of them is untrained, or ``random``.
        published: of these weights; None for random ones and for those of a file that does not say.
    """

    spec_version: str = "{}.{}".format(*SPEC_VERSION)
    name: str = "unnamed"
    task: Literal["classify", "features"] | None = None
    form: Literal["training", "folded"] | None = None
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    labels: tuple[str, ...] | None = None
    padding: Literal["symmetric", "tf_same", "keras"] | None = None
    bn_eps: float | None = None
    weights: str | None = None
    source: str | None = None
    licence: str | None = None
    published: Published | None = None

    @property
    def input(self) -> InputSpec:
        """The first input, the only one of every network of the zoo."""
        return self.inputs[0]

    def require_labels_for(self, classes: int) -> None:
        """Do nothing when there are as many labels as `classes`, or none.

        Raises:
            BadValue: there are more or fewer.
        """
        if self.labels is not None and len(self.labels) != classes:
            raise BadValue(
                f"{self.name!r} has {len(self.labels)} labels for {classes} classes; name them by "
                'model.spec = model.spec.model_copy(update={"labels": (...)}), or None for no names'
            )

    def to_json(self) -> str:
        """Write the record as JSON; fields that hold their default are left out, but for the version."""
        return json.dumps({"spec_version": self.spec_version} | self.model_dump(mode="json", exclude_defaults=True))

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "spec") -> "ModelSpec":
        """Read a spec of this or an older version, or of a newer minor version.

        Args:
            text: what `to_json` wrote.
            where: the file's name, for errors.

        Raises:
            BadFile: no spec, a newer major version, an unknown field, or a value that is not allowed.
        """
        return read_record(cls, text, SPEC_VERSION, "spec_version", where)


def read_record(kind: type[R], text: str | bytes, version: tuple[int, int], version_field: str, where: str) -> R:
    """Read a versioned record from JSON; keep and warn about fields of a newer minor version."""
    try:
        raw: Any = _json_object(text)
        found = _version(raw.get(version_field, "1.0"))
        if found[0] > version[0]:
            raise ValueError(f"{version_field} {raw[version_field]} is newer than {version[0]}.x; update underone")
        record = kind.model_validate(raw, context={"newer": found > version})
    except (ValueError, ValidationError) as error:
        raise BadFile(f"{where}: no valid {kind.__name__}: {_first_line(error)}") from error
    unknown = record.unknown_fields()
    if unknown:
        warnings.warn(f"{where}: kept fields of a newer version: {', '.join(unknown)}", stacklevel=3)
    return record


def _json_object(text: str | bytes) -> dict[str, Any]:
    raw = json.loads(text)
    if not isinstance(raw, dict):
        raise ValueError("the top level must be an object")
    return raw


def _version(text: Any) -> tuple[int, int]:
    parts = str(text).split(".")
    if len(parts) != 2 or not all(p.isdigit() for p in parts):
        raise ValueError(f"version {text!r} is not 'major.minor'")
    return int(parts[0]), int(parts[1])


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'record'}: {first['msg']}"
    return str(error)
