"""The table of trained weights."""

import pytest
import timm
from torchvision.models import MobileNet_V2_Weights

from underone.errors import BadValue, UnknownName
from underone.sources import AssetsFolder, Https, IndexPackage, Packaged, SourceArchive
from underone.weights import LABELLED_PHOTOGRAPHS, TRAINED_WEIGHTS, fetch_weights, find_weights, weights_of
from underone.weights.networks import CHANNELS


def test_every_entry_is_complete():
    assert len({entry.name for entry in TRAINED_WEIGHTS}) == len(TRAINED_WEIGHTS)
    for entry in TRAINED_WEIGHTS:
        assert entry.model in CHANNELS
        assert entry.licence
        assert all(url.startswith("https://") for url in entry.urls)
        if entry.file:
            assert len(entry.file.sha256) == 64
            kinds = {AssetsFolder, Https, IndexPackage, Packaged, SourceArchive}
            assert {type(source) for source in entry.file.sources} <= kinds


@pytest.mark.parametrize(
    "entry",
    [e for e in TRAINED_WEIGHTS if not e.tag.startswith(("torchvision", "tensorflow", "clothing"))],
    ids=lambda e: e.name,
)
def test_entries_agree_with_timms_own_table(entry):
    theirs = timm.get_pretrained_cfg(f"{entry.model.replace('mobilenet_v', 'mobilenetv')}.{entry.tag}")
    assert entry.preparation.crop_ratio == theirs.crop_pct
    assert entry.preparation.interpolation == theirs.interpolation
    assert (entry.preparation.mean, entry.preparation.std) == (theirs.mean, theirs.std)
    assert any(theirs.hf_hub_id in url for url in entry.urls)
    assert not theirs.url or theirs.url in entry.urls


def test_names_of_torchvision_are_taken_for_tags():
    assert find_weights("mobilenet_v2_100", "IMAGENET1K_V1").tag == "torchvision_in1k"
    assert find_weights("mobilenet_v2_100", "IMAGENET1K_V2").tag == "torchvision_v2_in1k"
    with pytest.raises(UnknownName, match="unknown weights of 'mobileone_s0' 'torchvision_in1k'"):
        find_weights("mobileone_s0", "IMAGENET1K_V1")


@pytest.mark.parametrize(("tag", "theirs"), [
    ("torchvision_in1k", MobileNet_V2_Weights.IMAGENET1K_V1),
    ("torchvision_v2_in1k", MobileNet_V2_Weights.IMAGENET1K_V2),
])  # fmt: skip
def test_entries_agree_with_torchvisions_own_table(tag, theirs):
    entry = find_weights("mobilenet_v2_100", tag)
    transform = theirs.transforms()
    assert entry.urls == (theirs.url,)
    assert entry.preparation.crop_ratio == transform.crop_size[0] / transform.resize_size[0]
    assert entry.preparation.interpolation == transform.interpolation.value
    assert [*entry.preparation.mean, *entry.preparation.std] == [*transform.mean, *transform.std]
    accuracy = theirs.meta["_metrics"]["ImageNet-1K"]
    assert (entry.published.top1, entry.published.top5) == (accuracy["acc@1"], accuracy["acc@5"])


def test_default_is_the_first_that_can_be_fetched():
    assert find_weights("mobilenet_v2_100", "DEFAULT").tag == "torchvision_in1k"


def test_default_without_weights_names_the_choices():
    with pytest.raises(BadValue) as raised:
        find_weights("mobileone_s0", "DEFAULT")
    text = str(raised.value)
    assert text.startswith("no ImageNet-1k weights of 'mobileone_s0' can be fetched. Choices: weights=None gives ran")
    assert "apple_in1k: download https://docs-assets.developer.apple.com/" in text
    assert "mobileone_s0_unfused.pth.tar (Apple's own" in text
    with pytest.raises(
        BadValue, match=r"Choices: weights=None gives random ones; weights='path/of/a/file' loads a file\.$"
    ):
        find_weights("mobilenet_v2_130", "DEFAULT")
    assert weights_of("mobilenet_v2_130") == ()


def test_unknown_tag_suggests_the_closest():
    with pytest.raises(
        UnknownName, match=r"unknown weights of 'mobilenet_v2_100' 'torchvision_in2k'. Did you mean 'torchv"
    ):
        find_weights("mobilenet_v2_100", "torchvision_in2k")


def test_named_weights_are_not_fetched_but_explained():
    with pytest.raises(
        BadValue, match=r"'mobileone_s4\.apple_in1k' is known but not fetched by us\. Its licence is: Apple"
    ):
        fetch_weights(find_weights("mobileone_s4", "apple_in1k"))


def test_labelled_photographs_carry_their_class_in_the_name():
    assert len(LABELLED_PHOTOGRAPHS) == 20
    for photograph in LABELLED_PHOTOGRAPHS:
        assert photograph.file.name.endswith(f"_{photograph.imagenet_index}.jpg")
        assert len(photograph.file.sha256) == 64
