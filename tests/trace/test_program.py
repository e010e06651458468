"""Whole networks: torch's own outputs against the traced Graph in the reference interpreter."""

import copy
import logging

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from timm.utils import reparameterize_model
from torch import nn

from underone.compare import difference
from underone.errors import BadValue, Unsupported
from underone.fold import reparameterize
from underone.graph import count
from underone.graph.reference import run_reference
from underone.models.build import build_model
from underone.spec import ModelSpec, OutputSpec
from underone.trace import trace

SIZE = 64


def given_statistics(model: nn.Module, seed: int = 0) -> nn.Module:
    """Batch norms that do something, as after training."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator)
            nn.init.normal_(module.bias, 0, 0.2, generator)
    return model


def worst_nmse(model: nn.Module, shape: tuple[int | None, ...]) -> float:
    """Both in float64, so that the order of sums does not matter: what is left are wrong operations."""
    graph = trace(model, input_shape=shape)
    x = torch.randn(3, *shape[1:], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = copy.deepcopy(model).eval().double()(x.double())
    wanted = wanted if isinstance(wanted, dict) else {"logits": wanted}
    got = run_reference(graph, {"image": x.numpy()}, dtype=np.float64)
    assert set(got) == set(wanted)
    return max(difference(got[name], array.numpy())[0] for name, array in wanted.items())


TIMM = {
    "mobilenetv2_100": SIZE, "mobilenetv3_small_100": SIZE, "tf_mobilenetv3_small_100": SIZE, "mobilenetv1_100": SIZE,
    "mobilenetv4_conv_small": SIZE, "mobileone_s4": SIZE, "efficientnet_b0": SIZE,
    "tf_efficientnet_lite0": SIZE, "mnasnet_100": SIZE, "repvgg_a0": SIZE,
    "mobilevit_xxs": SIZE, "mobilevitv2_050": SIZE, "fastvit_t8": SIZE, "mixnet_s": SIZE, "lcnet_050": SIZE,
    "deit_tiny_patch16_224": 224,
}  # fmt: skip
MORE_TIMM = {
    "mobilenetv3_large_100": 224, "efficientnet_lite0": 224, "resnet18": 224, "convnext_atto": 224, "regnetx_002": 224,
    "fbnetc_100": 224, "spnasnet_100": 224, "hardcorenas_a": 224, "tinynet_e": 224, "semnasnet_100": 224,
    "efficientformer_l1": 224, "efficientformerv2_s0": 224, "repvit_m0_9": 224, "starnet_s1": 224, "densenet121": 224,
    "hrnet_w18_small": 224, "ghostnet_100": 224, "efficientvit_m0": 224, "efficientvit_b0": 224, "ghostnetv2_100": 224,
    "mobileone_s0": 224, "levit_128s": 224,
}  # fmt: skip
TORCHVISION = (
    "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x1_0", "squeezenet1_1", "mnasnet1_0", "regnet_y_400mf",
)  # fmt: skip


@pytest.mark.parametrize("name", TIMM)
def test_timm_network_is_the_same_as_a_graph(name: str) -> None:
    model = given_statistics(timm.create_model(name))
    assert worst_nmse(model, (None, 3, TIMM[name], TIMM[name])) <= 1e-20


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_TIMM)
def test_further_timm_network_is_the_same_as_a_graph(name: str) -> None:
    model = given_statistics(timm.create_model(name))
    limit = 1e-14 if name == "efficientvit_b0" else 1e-20  # it rounds to float32 inside, whatever comes in
    assert worst_nmse(model, (None, 3, MORE_TIMM[name], MORE_TIMM[name])) <= limit


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_network_is_the_same_as_a_graph(name: str) -> None:
    model = given_statistics(torchvision.models.get_model(name))
    assert worst_nmse(model, (None, 3, SIZE, SIZE)) <= 1e-20


@pytest.mark.parametrize("form", ["training", "folded"])
@pytest.mark.parametrize("name", ["mobileone_s1", "mobileone_s4", "mobilenet_v2_050"])
def test_our_network_is_the_same_as_a_graph(name: str, form: str) -> None:
    model = given_statistics(build_model(name, form=form))
    assert worst_nmse(model, (None, 3, SIZE, SIZE)) <= 1e-20


def test_network_with_run_time_padding_is_the_same_as_a_graph() -> None:
    model = given_statistics(build_model("mobilenet_v2_050", padding="tf_same"))
    assert worst_nmse(model, (None, 3, 71, 94)) <= 1e-20


def test_dilated_network_is_the_same_as_a_graph() -> None:
    model = given_statistics(build_model("mobileone_s1", output_stride=8))
    assert worst_nmse(model, (None, 3, 96, SIZE)) <= 1e-20


def test_feature_maps_keep_their_names() -> None:
    model = given_statistics(build_model("mobileone_s0", form="folded", features=("stage1", "stage4")))
    assert worst_nmse(model, (None, 3, SIZE, SIZE)) <= 1e-20
    graph = trace(model)
    assert [(v.name, v.shape) for v in graph.outputs] == [
        ("stage1", (None, 48, 56, 56)),
        ("stage4", (None, 1024, 7, 7)),
    ]
    assert [o.meaning for o in graph.spec.outputs] == ["features", "features"]


# (parameters, MACs) of the folded networks at 224 with their classifier: exact counts of the released code
PUBLISHED = {
    "mobileone_s0": (2_078_504, 275_110_400),
    "mobileone_s1": (4_764_840, 825_057_024),
    "mobileone_s2": (7_808_168, 1_298_426_496),
    "mobileone_s3": (10_078_312, 1_895_790_592),
    "mobileone_s4": (14_838_352, 2_979_269_760),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_traced_folded_network_costs_what_was_published(name: str) -> None:
    cost = count(trace(build_model(name, form="folded")))
    assert (cost.params, cost.macs) == PUBLISHED[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_traced_folded_timm_network_costs_what_was_published(name: str) -> None:
    cost = count(trace(reparameterize_model(timm.create_model(name))))
    assert (cost.params, cost.macs) == PUBLISHED[name]


def test_zero_padding_by_run_time_size_is_part_of_the_convolution() -> None:
    graph = trace(build_model("mobilenet_v2_050", form="folded", padding="tf_same"))
    assert "Pad" not in {node.op for node in graph.nodes}
    assert graph.nodes[0].attrs["pads"] == (0, 0, 1, 1)  # 224 -> 112 at stride 2: one row and column after the picture


def test_constants_have_the_names_and_values_of_the_parameters() -> None:
    model = build_model("mobileone_s0", form="folded")
    graph = trace(model)
    state = model.state_dict()
    assert set(graph.constants) == set(state)
    for name, array in graph.constants.items():
        np.testing.assert_array_equal(array, state[name].numpy())


def test_constants_are_untied_from_the_model() -> None:
    model = build_model("mobileone_s0", form="folded")
    graph = trace(model)
    with torch.no_grad():
        model.head.bias.add_(1)
    assert not np.array_equal(graph.constants["head.bias"], model.head.bias.detach().numpy())


def test_nodes_have_the_paths_of_their_modules() -> None:
    names = [node.name for node in trace(build_model("mobileone_s0", form="folded")).nodes]
    assert names[0] == "backbone.stem.conv"
    assert len(set(names)) == len(names)


def test_given_model_is_left_as_it_is() -> None:
    model = given_statistics(build_model("mobileone_s1")).train()
    model.backbone.stages[0].eval()
    model.head.weight.requires_grad_(False)
    modes = [m.training for m in model.modules()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grads = [p.requires_grad for p in model.parameters()]
    trace(model, input_shape=(None, 3, SIZE, SIZE))
    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == grads
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_traced_spec_says_what_the_model_is() -> None:
    model = build_model("mobilenet_v2_050", num_classes=7)
    spec = trace(model, input_shape=(None, 3, 96, 128)).spec
    assert (spec.name, spec.form, spec.task) == ("mobilenet_v2_050", "training", "classify")
    assert spec.input.shape == (None, 3, 96, 128)
    assert spec.input.preparation == model.spec.input.preparation
    assert [(o.name, o.shape, o.meaning) for o in spec.outputs] == [("logits", (None, 7), "logits")]


def test_fixed_batch_stays_fixed() -> None:
    graph = trace(build_model("mobileone_s0", form="folded"), input_shape=(1, 3, SIZE, SIZE))
    assert (graph.inputs[0].shape, graph.outputs[0].shape) == ((1, 3, SIZE, SIZE), (1, 1000))


class WithoutMixedPrecision(nn.Module):
    def forward(self, x):
        with torch.autocast(x.device.type, enabled=False):
            y, z = x * 2, x + 1
        return y / (z * z + 1)


def test_block_without_mixed_precision_is_part_of_the_network() -> None:
    assert worst_nmse(WithoutMixedPrecision(), (None, 4)) <= 1e-20


class Tied(nn.Module):
    """One weight, two owners; one tensor given twice, and the input itself as an output."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
        self.b.weight = self.a.weight
        self.register_buffer("offset", torch.tensor([1.0, 2.0, 3.0, 4.0]))

    def forward(self, x):
        y = self.b(self.a(x)) + torch.softmax(self.offset, 0)
        return {"y": y, "again": y, "x": x}


def test_shared_weight_is_stored_once_and_computed_constants_need_no_row() -> None:
    model = Tied()
    graph = trace(model, input_shape=(None, 4))
    assert sum(c.shape == (4, 4) for c in graph.constants.values()) == 1
    x = np.random.default_rng(0).standard_normal((3, 4), np.float32)
    with torch.no_grad():
        want = model(torch.from_numpy(x))
    got = run_reference(graph, {"image": x})
    assert [v.name for v in graph.outputs] == ["y", "again", "x"]
    for name in got:
        np.testing.assert_allclose(got[name], want[name].numpy(), rtol=1e-5, atol=1e-6)


class Two(nn.Module):
    def forward(self, x):
        return x + 1, x * 2


def test_sequence_of_outputs_is_numbered_or_named_by_the_spec() -> None:
    assert [v.name for v in trace(Two(), input_shape=(None, 4)).outputs] == ["output0", "output1"]
    spec = ModelSpec(outputs=(OutputSpec(name="boxes"), OutputSpec(name="scores")))
    assert [v.name for v in trace(Two(), spec, input_shape=(None, 4)).outputs] == ["boxes", "scores"]


class Strange(nn.Module):
    def forward(self, x):
        return torch.sort(torch.cumsum(torch.cumsum(x, 1), 1)).values + torch.special.i0(x)


def test_unknown_operations_are_listed_all_at_once() -> None:
    with pytest.raises(
        Unsupported, match=r"aten.cumsum.default \(2x\), aten.sort.default \(1x\), aten.special_i0"
    ) as error:
        trace(Strange(), input_shape=(None, 4))
    assert "\n" not in str(error.value)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_branch_on_data_is_refused_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Unsupported, match=r"^torch.export cannot follow Branching on input \(None, 4\): [^\n]+$"):
        trace(Branching(), input_shape=(None, 4))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_torch_says_nothing_of_its_own_when_it_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    with pytest.raises(Unsupported, match=r"^torch.export cannot follow Linear on input \(None, 4\): [^\n]+$"):
        trace(nn.Linear(5, 3), input_shape=(None, 4))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert logger.level == level


@pytest.mark.parametrize("name", ["mobileone_s1", "mobilenet_v2_050"])
def test_network_of_open_sizes_is_the_same_as_a_graph(name: str) -> None:
    model = given_statistics(build_model(name)).double()
    graph = trace(copy.deepcopy(model).float(), input_shape=(None, 3, None, None))
    assert graph.inputs[0].shape == (None, 3, None, None)
    for size in ((64, 64), (75, 33), (32, 97)):
        x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        with torch.no_grad():
            want = model.eval()(x).numpy()
        assert difference(run_reference(graph, {"image": x.float().numpy()})["logits"], want)[0] <= 1e-9


@pytest.mark.parametrize(("name", "text"), [
    ("vit_tiny_patch16_224", r"torch.export cannot follow VisionTransformer on input \(None, 3, None, None\): [^\n]+$"),
    ("mobilevit_xxs", r"a reshape to .*: two sizes depend on the batch or the picture; only one may"),
])  # fmt: skip
def test_network_that_takes_one_size_is_refused_with_open_ones(name: str, text: str) -> None:
    with pytest.raises(Unsupported, match=text):
        trace(timm.create_model(name), input_shape=(None, 3, None, None))


class WritesThroughView(nn.Module):
    def forward(self, x):
        y = x * 2
        F.relu_(y[:, :2])
        return y + 1


def test_write_through_a_view_is_refused() -> None:
    with pytest.raises(Unsupported, match=r"relu_ changes mul in place, which is read later; use the plain operation"):
        trace(WritesThroughView(), input_shape=(None, 4))


def test_half_precision_is_refused() -> None:
    with pytest.raises(BadValue, match=r"torch.float16 parameters; float32 is required: call model.float\(\)"):
        trace(nn.Linear(4, 4).half(), input_shape=(None, 4))


def test_batch_norm_without_statistics_is_refused() -> None:
    with pytest.raises(Unsupported, match="without running statistics depends on the other images"):
        trace(nn.BatchNorm2d(3, track_running_stats=False), input_shape=(None, 3, 4, 4))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (nn.AdaptiveAvgPool2d(3), r"adaptive pooling from \(4, 4\) to \(3, 3\) has windows of several sizes"),
        (nn.AdaptiveMaxPool2d(2), r"adaptive max pooling to \(2, 2\); only one pixel is implemented"),
        (nn.AvgPool2d(2, divisor_override=3), "avg_pool2d with divisor_override is not implemented"),
    ],
)
def test_setting_that_has_no_counterpart_is_refused(model: nn.Module, text: str) -> None:
    with pytest.raises(Unsupported, match=text):
        trace(model, input_shape=(None, 3, 4, 4))


class Expression(nn.Module):
    def __init__(self, expression):
        super().__init__()
        self.expression = expression

    def forward(self, x):
        return self.expression(x)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (lambda x: F.linear(x, x[0, 0]), "the weight of a linear layer depends on the input; only fixed ones are"),
        (lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True), "attention with a causal mask"),
        (lambda x: x[:, :1].expand(-1, 5, -1, -1).sigmoid(), r"expand is implemented before add, .* not \['sigmoid'\]"),
        (
            lambda x: torch.cat([torch.ones(1, 2, 4, 4).expand(x.shape[0], -1, -1, -1), x, x], 1),
            "cat of several tensors of the batch with a fixed one",
        ),
        (
            lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"),
            "padding of mode 'circular' is not implemented; constant, ",
        ),
        (
            lambda x: (x.sum((1, 2, 3))[:, None] * x.sum((1, 2, 3))).flatten(1).unflatten(1, (1, -1)),
            "two sizes depend on",
        ),
        (lambda x: F.adaptive_avg_pool2d(x.transpose(0, 3), 2), r"the sizes \(4, None\) depend on the batch or"),
    ],
)
def test_what_depends_on_the_input_is_refused(expression, text: str) -> None:
    with pytest.raises(Unsupported, match=text):
        trace(Expression(expression), input_shape=(None, 3, 4, 4))


def test_folded_network_traces_to_the_same_numbers_as_the_training_form() -> None:
    model = given_statistics(build_model("mobileone_s1")).eval()
    x = np.random.default_rng(3).standard_normal((1, 3, SIZE, SIZE), np.float32)
    a, b = (
        run_reference(trace(m, input_shape=x.shape), {"image": x})["logits"] for m in (model, reparameterize(model))
    )
    assert difference(b, a)[0] <= 1e-10  # float32: the fold rounds its weights
