"""Every row of the table of operations against torch itself, on numbers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from underone.compare import difference
from underone.graph.reference import run_reference
from underone.trace import trace
from underone.trace.table import TABLE, key_of

IMAGE = (None, 4, 6, 8)
ROWS = (None, 6)
TOKENS = (None, 5, 8)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))))


class Case(nn.Module):
    """One expression of x and a weight."""

    def __init__(self, expression, shape=IMAGE, weights=()):
        super().__init__()
        self.expression, self.shape = expression, shape
        self.weights = nn.ParameterList(weight(*size) for size in weights)

    def forward(self, x: Tensor):
        return self.expression(x, *self.weights)


def case(expression, shape=IMAGE, *weights):
    return Case(expression, shape, weights)


def batch_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return F.batch_norm(
        x, torch.tensor([0.1, -0.2, 0.3, 2.0]), torch.tensor([0.5, 2.0, 1.5, 0.1]), scale, shift, eps=0.1
    )


CASES = {
    "aten.conv1d.default": case(lambda x, w: F.conv1d(x, w, stride=2, padding=1), TOKENS, (6, 5, 3)),
    "aten.conv2d.default": case(
        lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        IMAGE, (6, 2, 3, 3), (6,),
    ),
    "aten.conv1d.padding": case(lambda x, w: F.conv1d(x, w, padding="same"), TOKENS, (6, 5, 3)),
    "aten.conv2d.padding": case(lambda x, w: F.conv2d(x, w, padding="same", dilation=(1, 2)), IMAGE, (6, 4, 3, 4)),
    "aten.conv_transpose2d.input": case(
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1, groups=2),
        IMAGE, (4, 3, 3, 3), (6,),
    ),
    "aten.linear.default": case(lambda x, w, b: F.linear(F.linear(x, w, b), w), (None, 5, 6), (6, 6), (6,)),
    "aten.addmm.default": case(lambda x, b, w: torch.addmm(b, x, w, beta=0.5, alpha=2), ROWS, (7,), (6, 7)),
    "aten.matmul.default": case(lambda x: x @ x.transpose(-1, -2)),
    "aten.bmm.default": case(lambda x: torch.bmm(x, x.transpose(1, 2)), TOKENS),
    "aten.mm.default": case(lambda x, w: torch.mm(x, w), ROWS, (6, 7)),
    "aten.scaled_dot_product_attention.default": case(
        lambda x, k, v, m: F.scaled_dot_product_attention(x, k, v, m), IMAGE, (1, 4, 5, 8), (1, 4, 5, 3), (6, 5)
    ),
    "aten.batch_norm.default": case(batch_norm, IMAGE, (4,), (4,)),
    "aten.layer_norm.default": case(lambda x, w, b: F.layer_norm(x, (6, 8), w, b, eps=0.1), IMAGE, (6, 8), (6, 8)),
    "aten.group_norm.default": case(lambda x, w, b: F.group_norm(x, 2, w, b, eps=0.1), IMAGE, (4,), (4,)),
    "aten.adaptive_avg_pool2d.default": case(lambda x: F.adaptive_avg_pool2d(x, (3, 2)) * F.adaptive_avg_pool2d(x, 1)),
    "aten.adaptive_max_pool2d.default": case(lambda x: F.adaptive_max_pool2d(x, 1)),
    "aten.avg_pool2d.default": case(
        lambda x: F.avg_pool2d(x, 3, 2, 1, True, count_include_pad=False) * F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)
    ),
    "aten.max_pool2d.default": case(lambda x: F.max_pool2d(x, 3, 2, (1, 0), ceil_mode=True)),
    "aten.mean.dim": case(lambda x: x.mean((2, 3))[:, :, None, None] * x.mean((3, 2), True) + x.mean((1, 2), True)),
    "aten.sum.dim_IntList": case(lambda x: x.sum((1, -1))),
    "aten.amax.default": case(lambda x: x.amax((1, 2), keepdim=True)),
    "aten.argmax.default": case(lambda x: x.argmax(1)),
    "aten.add.Tensor": case(lambda x, w: torch.add(x, w, alpha=3) + 2, IMAGE, (6, 1)),
    "aten.sub.Tensor": case(lambda x, w: w - x - 1, IMAGE, (6, 1)),
    "aten.rsub.Scalar": case(lambda x: torch.rsub(x, 3)),
    "aten.mul.Tensor": case(lambda x, w: x * w * 0.3, IMAGE, (6, 1)),
    "aten.div.Tensor": case(lambda x, w: x / w / 0.3, IMAGE, (6, 1)),
    "aten.pow.Tensor_Scalar": case(lambda x: x**2),
    "aten.maximum.default": case(lambda x: torch.maximum(x, 0.5 - x)),
    "aten.relu.default": case(lambda x: F.relu(x, inplace=True) + x),
    "aten.relu6.default": case(lambda x: torch.ops.aten.relu6(5 * x)),
    "aten.hardtanh.default": case(lambda x: F.hardtanh(x, -0.5, 0.7)),
    "aten.clamp.default": case(lambda x: x.clamp(-0.5, 0.7) * x.clamp(max=1.0)),
    "aten.clamp_min.default": case(lambda x: x.clamp_min(0.2)),
    "aten.clamp_max.default": case(lambda x: x.clamp_max(0.2)),
    "aten.leaky_relu.default": case(lambda x: F.leaky_relu(x, 0.3)),
    "aten.prelu.default": case(lambda x, w: F.prelu(x, w), IMAGE, (4,)),
    "aten.sigmoid.default": case(torch.sigmoid),
    "aten.hardsigmoid.default": case(lambda x: F.hardsigmoid(4 * x)),
    "aten.hardswish.default": case(lambda x: F.hardswish(4 * x)),
    "aten.silu.default": case(F.silu),
    "aten.gelu.default": case(lambda x: F.gelu(x) * F.gelu(2 * x, approximate="tanh")),
    "aten.tanh.default": case(torch.tanh),
    "aten.erf.default": case(torch.erf),
    "aten.exp.default": case(torch.exp),
    "aten.sqrt.default": case(lambda x: torch.sqrt(x * x + 1)),
    "aten.softmax.int": case(lambda x: x.softmax(1)),
    "aten.dropout.default": case(lambda x: F.dropout(x, training=False) + 1),
    "aten.feature_dropout.default": case(lambda x: F.dropout2d(x, training=False) + 1),
    "aten.clone.default": case(lambda x: x.clone() + 1),
    "aten.contiguous.default": case(lambda x: x.transpose(1, 2).contiguous()),
    "aten.detach.default": case(lambda x: x.detach() + 1),
    "aten.lift_fresh_copy.default": case(lambda x: x + torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])),
    "aten.alias.default": case(lambda x: torch.ops.aten.alias(x) + 1),
    "aten.to.dtype": case(lambda x: x.to(torch.float32) + x.to(torch.float64).to(torch.float32)),
    "aten.to.device": case(lambda x: x.to("cpu", torch.float32) + 1),
    "aten._to_copy.default": case(lambda x: torch.ops.aten._to_copy(x, dtype=torch.float64).to(torch.float32) + 1),
    "aten.view.default": case(lambda x: x.view(-1, 2, 2, 6, 8).view(-1, 12, 8).view(-1, 8)),
    "aten.reshape.default": case(lambda x: x.transpose(1, 2).reshape(x.shape[0], 24, 8)),
    "aten.reshape_as.default": case(lambda x: x.transpose(1, 2).reshape_as(x)),
    "aten.view_as.default": case(lambda x: x.view(-1, 8, 6, 4).view_as(x)),
    "aten.flatten.using_ints": case(lambda x: x.flatten(0, 1)[:, :2].flatten(1)),
    "aten.unflatten.int": case(lambda x: x.unflatten(3, (2, 4))),
    "aten.permute.default": case(lambda x: x.permute(0, -1, 1, 2)),
    "aten.transpose.int": case(lambda x: x.transpose(1, -1)),
    "aten.unsqueeze.default": case(lambda x: x.unsqueeze(-1)),
    "aten.squeeze.dim": case(lambda x: x[:, :, :1].squeeze(2).squeeze(1)),
    "aten.squeeze.dims": case(lambda x: x[:, :1, :1].squeeze((1, 2))),
    "aten.slice.Tensor": case(lambda x: x[:, 1:, :-1, 1:7:2]),
    "aten.select.int": case(lambda x: x[:, -1] + x[:, 1]),
    "aten.split.Tensor": case(lambda x: x.split(3, dim=3)[2] + x.split(2, dim=-1)[0]),
    "aten.split_with_sizes.default": case(lambda x: x.split([1, 3], dim=1)[1]),
    "aten.chunk.default": case(lambda x: x.chunk(2, 1)[0] * x.chunk(2, 1)[1]),
    "aten.unbind.int": case(lambda x: x.unbind(1)[0] * x.unbind(1)[3]),
    "aten.cat.default": case(lambda x, w: torch.cat([w.expand(x.shape[0], -1, -1), x], 1), TOKENS, (1, 2, 8)),
    "aten.stack.default": case(lambda x: torch.stack([x, x * x], 2)),
    "aten.expand.default": case(lambda x, w: w.expand(x.shape[0], -1, -1, -1) + x, IMAGE, (1, 4, 6, 8)),
    "aten.expand_as.default": case(lambda x: x.sum(1, keepdim=True).expand_as(x) * x),
    "aten.pad.default": case(lambda x: F.pad(x, (1, 2, 0, 3), value=0.5) * F.pad(x, (3, 0, 1, 2), mode="reflect")),
    "aten.constant_pad_nd.default": case(lambda x: torch.constant_pad_nd(x, (1, 2), 0.5)),
    "aten.pixel_shuffle.default": case(lambda x: F.pixel_shuffle(x, 2)),
    "aten.upsample_bilinear2d.vec": case(
        lambda x: F.interpolate(x, size=(11, 5), mode="bilinear")
        + F.interpolate(x, size=(11, 5), mode="bilinear", align_corners=True)
        + F.interpolate(x, scale_factor=(1.9, 0.7), mode="bilinear")
    ),
    "aten.upsample_nearest2d.vec": case(
        lambda x: F.interpolate(x, size=(13, 5)) + F.interpolate(x, scale_factor=(2.2, 0.7))
    ),
}  # fmt: skip


def test_every_row_has_a_case() -> None:
    assert set(CASES) == set(TABLE)


@pytest.mark.parametrize("row", sorted(TABLE))
def test_row_computes_what_torch_computes(row: str) -> None:
    model = CASES[row].eval()
    x = torch.randn(3, *model.shape[1:], generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        want = model(x.clone()).numpy()
    got = run_reference(trace(model, input_shape=model.shape), {"image": x.numpy()})["logits"]
    assert got.dtype == want.dtype
    nmse, peak = difference(got, want)
    assert nmse <= 1e-12, (nmse, peak)


@pytest.mark.parametrize("row", sorted(TABLE))
def test_case_holds_its_operation(row: str) -> None:
    model = CASES[row].eval()
    program = torch.export.export(model, (torch.zeros(2, *model.shape[1:]),), strict=False)
    found = {key_of(node.target) for node in program.graph.nodes}
    assert row in found


def test_class_token_is_put_in_its_place() -> None:
    tokens = case(
        lambda x, w: torch.cat([w.expand(x.shape[0], -1, -1), x, w.expand(x.shape[0], -1, -1)], 1), TOKENS, (1, 2, 8)
    )
    graph = trace(tokens, input_shape=TOKENS)
    x = np.random.default_rng(0).standard_normal((3, 5, 8), np.float32)
    y = run_reference(graph, {"image": x})["logits"]
    np.testing.assert_array_equal(y[:, 2:7], x)
    np.testing.assert_array_equal(y[2, :2], tokens.weights[0].detach().numpy()[0])
    np.testing.assert_array_equal(y[1, 7:], tokens.weights[0].detach().numpy()[0])
