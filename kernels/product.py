"""1x1 convolution of one row tile: operand rows times packed weights, + bias, + residual, clamp, into the feature map.

operand  [K/16][P][16]     P pixels of the tile, P a multiple of the tile's pixels
weight   [K][N]             one panel of N = channels: read as a single stream
start    [N/16][P][16]     what the sums begin with: the bias (stride 0 over P), or sums over the channels before
place    [P]               pixel number in the output map (and in the residual) of every operand pixel
output   [N/16][S][16]     S pixels of a map, padding included
"""

import halide as hl
from isa import BLOCK, Isa


def product(isa: Isa, pixels: int, channels: int, residual: bool) -> tuple[hl.Func, list]:
    """Give the kernel of one register tile and its arguments."""
    f32 = hl.Float(32)
    operand = hl.ImageParam(f32, 3, "operand")
    weight = hl.ImageParam(f32, 2, "weight")
    start = hl.ImageParam(f32, 3, "start")
    place = hl.ImageParam(hl.Int(32), 1, "place")
    low, high = hl.Param(f32, "low"), hl.Param(f32, "high")
    depth = hl.Param(hl.Int(32), "depth")
    added = hl.ImageParam(f32, 3, "added")

    lane, p, s, n = hl.Var("lane"), hl.Var("p"), hl.Var("s"), hl.Var("n")
    k = hl.RDom([(0, BLOCK), (0, depth)], "k")
    total = hl.Func("total")
    total[lane, p, n] = start[lane, p, n]
    total[lane, p, n] += weight[lane + BLOCK * n, k.x + BLOCK * k.y] * operand[k.x, p, k.y]

    tile = hl.RDom([(0, pixels), (0, operand.dim(1).extent() // pixels)], "tile")
    at = tile.x + pixels * tile.y
    out = hl.Func("out")
    out[lane, s, n] = hl.undef(f32)
    value = total[lane, at, n]
    if residual:
        value = value + added[lane, hl.unsafe_promise_clamped(place[at], 0, 1 << 24), n]
    out[lane, hl.unsafe_promise_clamped(place[at], 0, 1 << 24), n] = hl.clamp(value, low, high)

    panels = channels // BLOCK
    out.update().reorder(lane, n, tile.x, tile.y).vectorize(lane, isa.lanes).unroll(n).unroll(tile.x)
    total.compute_at(out, tile.y).bound_extent(p, pixels).vectorize(lane, isa.lanes).unroll(lane).unroll(p).unroll(n)
    (total.update().reorder(lane, n, p, k.x, k.y).vectorize(lane, isa.lanes).unroll(lane).unroll(n).unroll(p))

    result = out.output_buffer()
    for buffer, width in ((operand, BLOCK), (weight, channels), (start, BLOCK), (result, BLOCK), (added, BLOCK)):
        buffer.dim(0).set_bounds(0, width).set_stride(1)
    operand.dim(1).set_min(0).set_stride(BLOCK)
    operand.dim(2).set_min(0)
    weight.dim(1).set_min(0).set_stride(channels)
    start.dim(1).set_min(0)
    start.dim(2).set_min(0)
    place.dim(0).set_min(0)
    result.dim(1).set_min(0).set_stride(BLOCK)
    result.dim(2).set_bounds(0, panels)
    added.dim(1).set_min(0).set_stride(BLOCK)
    added.dim(2).set_min(0)
    arguments = [operand, weight, start, place, depth, low, high] + ([added] if residual else [])
    return out, arguments
