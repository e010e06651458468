"""Join a stem with the depthwise convolution behind it, so that the widest map of a network never leaves the cache."""

from collections import Counter
from dataclasses import replace

from .program import Program, Step
from .tensors import bytes_of

_STEMS = ("cells.stem", "cells.bytes_stem")
_WIDTHS = range(7, 1025)  # of the stem's map, for which the engine makes rows one by one


def join_stems(program: Program) -> Program:
    """Let a chain make the rows that it reads from the image itself, where a stem alone made them for it.

    Returns:
        The program, in which such a stem and its chain are one step.
    """
    uses = Counter(number for step in program.steps for number in step.inputs)
    stems = {s.outputs[0]: s for s in program.steps if s.op in _STEMS and _is_joinable(program, s, uses)}
    chains = {s.inputs[0]: s for s in program.steps if s.op == "cells.chain" and s.inputs[0] in stems}
    chains = {n: s for n, s in chains.items() if s.attrs["depthwise"] and s.inputs[2] == -1}
    joined = [
        _joined(program, stems[s.inputs[0]], s) if s in chains.values() else s
        for s in program.steps
        if not (s.op in _STEMS and s.outputs[0] in chains)
    ]
    return replace(program, steps=joined)


def _is_joinable(program: Program, stem: Step, uses: Counter[int]) -> bool:
    """Whether a stem is a 3x3 window of stride 2 on an image of 3 channels that one step reads."""
    attrs, width = stem.attrs, program.types[stem.outputs[0]].shape[3]
    window = (list(attrs["kernel"]), list(attrs["strides"]), list(attrs["dilations"]))
    image = program.types[stem.inputs[0]].shape
    return (
        window == ([3, 3], [2, 2], [1, 1])
        and image[1] == 3
        and max(attrs["pads"][:2]) < 3
        and width in _WIDTHS
        and uses[stem.outputs[0]] == 1
    )


def _joined(program: Program, stem: Step, chain: Step) -> Step:
    names = [k for k in ("kernel", "strides", "dilations", "pads", "image") if k in stem.attrs]
    finish = {f"expand_{k}": v for k, v in stem.attrs.items() if k not in names}
    attrs = dict(chain.attrs) | finish | {f"stem_{name}": stem.attrs[name] for name in names}
    image, weight, bias = stem.inputs
    return replace(
        chain,
        label=stem.label,
        attrs=attrs,
        inputs=(image, chain.inputs[1], weight, bias, *chain.inputs[4:]),
        nodes=(*stem.nodes, *chain.nodes),
        macs=stem.macs + chain.macs,
        bytes_moved=stem.bytes_moved + chain.bytes_moved - 2 * bytes_of(program.types[stem.outputs[0]]),
    )
