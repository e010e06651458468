"""Depthwise convolution of a row tile, padded map in, operand rows (or a map) out.

input   [C/16][rows][width][16]   border included
weight  [C/16][k*k][16]           bias [C/16][16]
output  [C/16][rows][width][16]   strides free: an operand block [C/16][P][16] seen as rows x width
"""

import halide as hl
from isa import BLOCK, Isa

WIDTHS = (7, 4)  # pixels computed together; narrower maps go one by one


def depthwise(isa: Isa, size: int, stride: int) -> tuple[hl.Func, list]:
    """Give the kernel of one window and its arguments."""
    f32 = hl.Float(32)
    image = hl.ImageParam(f32, 4, "image")
    weight = hl.ImageParam(f32, 3, "weight")
    bias = hl.ImageParam(f32, 2, "bias")
    low, high = hl.Param(f32, "low"), hl.Param(f32, "high")

    lane, x, y, c = hl.Var("lane"), hl.Var("x"), hl.Var("y"), hl.Var("c")
    value = bias[lane, c]
    for dy in range(size):
        for dx in range(size):
            value = value + weight[lane, dx + size * dy, c] * image[lane, x * stride + dx, y * stride + dy, c]
    out = hl.Func("out")
    out[lane, x, y, c] = hl.clamp(value, low, high)

    result = out.output_buffer()
    for buffer in (image, weight, bias, result):
        buffer.dim(0).set_bounds(0, BLOCK).set_stride(1)
    for buffer in (image, result):
        buffer.dim(1).set_min(0).set_stride(BLOCK)
        buffer.dim(2).set_min(0)
        buffer.dim(3).set_min(0)
    weight.dim(1).set_bounds(0, size * size).set_stride(BLOCK)
    weight.dim(2).set_min(0).set_stride(BLOCK * size * size)
    bias.dim(1).set_min(0).set_stride(BLOCK)

    xo, xi, lo = hl.Var("xo"), hl.Var("xi"), hl.Var("lo")
    out.bound(lane, 0, BLOCK)
    halves = [lo] if isa.lanes < BLOCK else []
    if halves:
        out.split(lane, lo, lane, isa.lanes)
    out.reorder(lane, x, y, *halves, c).vectorize(lane)
    for step in WIDTHS:
        wide = out.specialize(result.dim(1).extent() >= step)
        wide.split(x, xo, xi, step, hl.TailStrategy.ShiftInwards).reorder(lane, xi, xo, y, *halves, c).unroll(xi)
    return out, [image, weight, bias, low, high]
