"""Depthwise convolution over bfloat16 maps, float32 arithmetic.

Two channels lie in one 32-bit word: the even one below, the odd one above.

input   [C/32][rows][width][16]  uint32      weight  [C/32][k*k][2][16] float32: evens, odds
output  [C/32][rows][width][16]  uint32      bias    [C/32][2][16]
"""

import halide as hl
from isa import BLOCK, Isa

WIDTHS = (7, 4)
HIGH = hl.u32(0xFFFF0000)


def rounded(value: hl.Expr) -> hl.Expr:
    """Add what carries into the upper half: to the nearest, ties down (ties to even cost five instructions more)."""
    return hl.reinterpret(hl.UInt(32), value) + hl.u32(0x7FFF)


def depthwise_bf16(isa: Isa, size: int, stride: int) -> tuple[hl.Func, list]:
    """Give the kernel of one window and its arguments."""
    f32, u32 = hl.Float(32), hl.UInt(32)
    image = hl.ImageParam(u32, 4, "image")
    weight = hl.ImageParam(f32, 4, "weight")
    bias = hl.ImageParam(f32, 3, "bias")
    low, high = hl.Param(f32, "low"), hl.Param(f32, "high")

    lane, x, y, c = hl.Var("lane"), hl.Var("x"), hl.Var("y"), hl.Var("c")
    halves = []
    for odd in (0, 1):
        value = bias[lane, odd, c]
        for dy in range(size):
            for dx in range(size):
                word = image[lane, x * stride + dx, y * stride + dy, c]
                bits = word & HIGH if odd else word << 16
                value = value + weight[lane, odd, dx + size * dy, c] * hl.reinterpret(f32, bits)
        halves.append(hl.clamp(value, low, high))
    out = hl.Func("out")
    out[lane, x, y, c] = (rounded(halves[0]) >> 16) | (rounded(halves[1]) & HIGH)

    result = out.output_buffer()
    for buffer in (image, weight, bias, result):
        buffer.dim(0).set_bounds(0, BLOCK).set_stride(1)
    for buffer in (image, result):
        buffer.dim(1).set_min(0).set_stride(BLOCK)
        buffer.dim(2).set_min(0)
        buffer.dim(3).set_min(0)
    weight.dim(1).set_bounds(0, 2).set_stride(BLOCK)
    weight.dim(2).set_bounds(0, size * size).set_stride(2 * BLOCK)
    weight.dim(3).set_min(0).set_stride(2 * BLOCK * size * size)
    bias.dim(1).set_bounds(0, 2).set_stride(BLOCK)
    bias.dim(2).set_min(0).set_stride(2 * BLOCK)

    xo, xi, lo = hl.Var("xo"), hl.Var("xi"), hl.Var("lo")
    out.bound(lane, 0, BLOCK)
    narrow = isa.lanes < BLOCK
    if narrow:
        out.split(lane, lo, lane, isa.lanes)
    out.reorder(*([lane, x, y] + ([lo] if narrow else []) + [c])).vectorize(lane)
    for step in WIDTHS:
        wide = out.specialize(result.dim(1).extent() >= step)
        wide.split(x, xo, xi, step, hl.TailStrategy.ShiftInwards).reorder(
            *([lane, xi, xo, y] + ([lo] if narrow else []) + [c])
        ).unroll(xi)
    return out, [image, weight, bias, low, high]
