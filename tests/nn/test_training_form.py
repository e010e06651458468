import pytest
import torch
from torch import nn

from underone.errors import BadValue, UnknownName
from underone.models.build import build_model
from underone.nn.mobileone_block import MobileOneBlock
from underone.nn.training_form import Kind, gain, kind_of, use_training_forms


def blocks(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, MobileOneBlock)}


def test_all_43_blocks_can_be_folded_by_batch_and_can_be_plain():
    model = build_model("mobileone_s0")
    for form in ("moments", "plain"):
        chosen = use_training_forms(model, form)
        assert list(chosen) == list(blocks(model))
        assert len(chosen) == 43
        assert set(chosen.values()) == {form}
        assert {block.training_form for block in blocks(model).values()} == {form}


def test_auto_folds_what_was_measured_to_be_faster():
    chosen = use_training_forms(model := build_model("mobileone_s0"), "auto")
    for name, block in blocks(model).items():
        assert (chosen[name] == "moments") == (gain(kind_of(block)) > 1)
    assert list(chosen.values()).count("moments") > 30  # four branches in each
    wide = use_training_forms(model := build_model("mobileone_s4"), "auto")
    last = blocks(model)[name := list(wide)[-1]]
    assert (last.branches[0].conv.in_channels, len(last.branches), wide[name]) == (896, 1, "plain")


def test_forms_of_a_checkpoint_are_taken_whatever_the_table_says():
    chosen = use_training_forms(build_model("mobileone_s0"), "auto")
    chosen[next(iter(chosen))] = "plain"
    assert use_training_forms(model := build_model("mobileone_s0"), chosen) == chosen
    assert {name: block.training_form for name, block in blocks(model).items()} == chosen


def test_state_is_the_same_in_every_form():
    model = build_model("mobileone_s1")
    before = list(model.state_dict())
    use_training_forms(model, "moments")
    assert list(model.state_dict()) == before


def test_network_without_blocks_has_no_forms():
    assert use_training_forms(nn.Linear(2, 2), "auto") == {}


def test_block_that_cannot_be_folded_by_batch_stays_plain():
    grouped = MobileOneBlock(8, 8, 3, groups=2)
    assert use_training_forms(grouped, "moments") == {"": "plain"}
    grouped(torch.randn(2, 8, 5, 5))
    with pytest.raises(BadValue, match=r"form 'moments' for the block ''; 'plain' is required"):
        use_training_forms(grouped, {"": "moments"})


def test_unknown_form_and_foreign_names_are_refused():
    block = MobileOneBlock(8, 8, 1)
    with pytest.raises(UnknownName, match=r"unknown training form 'moment'. Did you mean 'moments'"):
        use_training_forms(block, "moment")
    with pytest.raises(BadValue, match=r"forms for 1 blocks, the model has 1; '' is only in one of them"):
        use_training_forms(block, {"stem": "plain"})


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (MobileOneBlock(3, 48, 3, stride=2), Kind("dense", 2, 1, 3, 48)),
        (MobileOneBlock(48, 128, 1, num_branches=4), Kind("pointwise", 1, 4, 48, 128)),
        (MobileOneBlock(48, 48, 3, groups=48, stride=2), Kind("depthwise", 2, 1, 48, 48)),
    ],
)
def test_kind_is_that_of_the_table(block, kind):
    assert kind_of(block) == kind


def test_kind_that_was_never_measured_has_no_gain():
    assert gain(Kind("dense", 7, 1, 3, 48)) == 0
