"""Dense 3x3 stride-2 convolution of a planar image, the first layer of every network here.

image   [3][H+2][W+2]        planar float32, zero border
weight  [N/16][27][16]       bias [N/16][16]
output  [N/16][rows][width][16]
"""

import halide as hl
from isa import BLOCK, Isa

PIXELS = 7


def stem(isa: Isa) -> tuple[hl.Func, list]:
    """Give the kernel and its arguments."""
    f32 = hl.Float(32)
    image = hl.ImageParam(f32, 3, "image")
    weight = hl.ImageParam(f32, 3, "weight")
    bias = hl.ImageParam(f32, 2, "bias")
    low, high = hl.Param(f32, "low"), hl.Param(f32, "high")
    lane, x, y, n = hl.Var("lane"), hl.Var("x"), hl.Var("y"), hl.Var("n")
    k = hl.RDom([(0, 3), (0, 3), (0, 3)], "k")  # dx dy channel
    total = hl.Func("total")
    total[lane, x, y, n] = bias[lane, n]
    total[lane, x, y, n] += weight[lane, k.x + 3 * k.y + 9 * k.z, n] * image[2 * x + k.x, 2 * y + k.y, k.z]
    out = hl.Func("out")
    out[lane, x, y, n] = hl.clamp(total[lane, x, y, n], low, high)

    result = out.output_buffer()
    for buffer in (weight, bias, result):
        buffer.dim(0).set_bounds(0, BLOCK).set_stride(1)
    image.dim(0).set_min(0)
    image.dim(1).set_min(0)
    image.dim(2).set_bounds(0, 3)
    weight.dim(1).set_bounds(0, 27).set_stride(BLOCK)
    weight.dim(2).set_min(0).set_stride(BLOCK * 27)
    bias.dim(1).set_min(0).set_stride(BLOCK)
    result.dim(1).set_min(0).set_stride(BLOCK)
    result.dim(2).set_min(0)
    result.dim(3).set_min(0)
    xo, xi, no, ni = hl.Var("xo"), hl.Var("xi"), hl.Var("no"), hl.Var("ni")
    out.bound(lane, 0, BLOCK)
    out.compute_root()
    blocks = result.dim(3).extent()
    for together in (2, 3) if isa.lanes == BLOCK else ():  # as many sums as there are registers for
        schedule(out.specialize(blocks % together == 0), x, xo, xi, n, no, ni, y, lane, isa, together)
    schedule(out, x, xo, xi, n, no, ni, y, lane, isa, 1)
    total.compute_at(out, xo).vectorize(lane, isa.lanes).unroll(lane).unroll(x).unroll(n)
    total.update().reorder(lane, n, x, k.x, k.y, k.z).vectorize(lane, isa.lanes).unroll(lane).unroll(x).unroll(
        n
    ).unroll(k.x).unroll(k.y).unroll(k.z)
    return out, [image, weight, bias, low, high]


def schedule(out, x, xo, xi, n, no, ni, y, lane, isa, together):
    (
        out.split(x, xo, xi, PIXELS, hl.TailStrategy.ShiftInwards)
        .split(n, no, ni, together)
        .reorder(lane, ni, xi, xo, no, y)
        .vectorize(lane, isa.lanes)
        .unroll(xi)
        .unroll(ni)
    )
