"""DetectionSpec: how the raw outputs of a single-shot detector become boxes."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from .record import Frozen

MOST_ANCHORS = 1 << 20  # SSD512 has 24,564; a file that says more is damaged or hostile

Share = Annotated[float, Field(ge=0, le=1)]


class AnchorGrid(Frozen):
    """The anchors of one feature map, whatever made them.

    Attributes:
        rows: cells of the map from top to bottom.
        columns: cells of the map from left to right.
        shapes: (width, height) of each anchor of a cell, as shares of the picture's width and height.
        step: (x, y) between the centres of neighbouring cells, as shares of the picture; mostly 1 / columns, 1 / rows.
        offset: (x, y) of the first centre, in steps.
    """

    rows: PositiveInt
    columns: PositiveInt
    shapes: Annotated[tuple[tuple[PositiveFloat, PositiveFloat], ...], Field(min_length=1)]
    step: tuple[PositiveFloat, PositiveFloat]
    offset: tuple[float, float] = (0.5, 0.5)

    @property
    def count(self) -> int:
        """Number of anchors."""
        return self.rows * self.columns * len(self.shapes)


class DetectionSpec(Frozen):
    """How codes and class outputs, one row for each anchor, become boxes with classes and scores.

    Attributes:
        anchors: in the order of the outputs' rows: grid, row, column, shape; () where the outputs are boxes already.
        code: order of the four numbers of a box code: offsets of the centre in anchor sizes, and the two sizes.
        sizes: what a code says of the size of a box: the logarithm of its share of the anchor's (``log``), or that
            share itself (``linear``).
        variances: factors of the codes in the order x, y, w, h; the 10, 10, 5, 5 that others divide by are 1 / these.
        clip_anchors: whether the corners of the anchors are cut at the border of the picture.
        activation: what makes scores of class outputs; ``none`` where they are scores.
        background: index of "no object" among the class outputs; None where there is none.
        clip_boxes: whether boxes are cut at the border of the picture before or after the suppression.
        score_threshold: a box counts for a class from this score on.
        nms: how overlapping boxes are suppressed: ``hard``: the worse is dropped; ``soft``: its score falls with the
            overlap; ``weighted``: all of them are averaged by score; ``none``: they are kept.
        per_class: whether boxes are suppressed only by boxes of their class; False: each anchor has its best class, and
            any better box suppresses.
        iou_threshold: boxes that overlap more are the same object; intersection over union.
        top_k: candidates of a class, the best first, that the suppression looks at.
        max_per_class: boxes of one class that are kept.
        max_detections: boxes of a picture that are kept.
    """

    anchors: tuple[AnchorGrid, ...] = ()
    code: Literal["xywh", "yxhw"] = "xywh"
    sizes: Literal["log", "linear"] = "log"
    variances: tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat] = (0.1, 0.1, 0.2, 0.2)
    clip_anchors: bool = False
    activation: Literal["sigmoid", "softmax", "none"] = "softmax"
    background: NonNegativeInt | None = 0
    clip_boxes: Literal["before", "after"] = "after"
    score_threshold: Share = 0.3
    nms: Literal["hard", "soft", "weighted", "none"] = "hard"
    per_class: bool = True
    iou_threshold: Share = 0.5
    top_k: PositiveInt = 400
    max_per_class: PositiveInt = 100
    max_detections: PositiveInt = 100

    @property
    def anchor_count(self) -> int:
        """Number of anchors of all grids, the rows of the outputs."""
        return sum(grid.count for grid in self.anchors)

    @model_validator(mode="after")
    def _check_count(self) -> Self:
        if self.anchor_count > MOST_ANCHORS:
            raise ValueError(f"{self.anchor_count} anchors; at most {MOST_ANCHORS} are allowed")
        return self
