"""Renaming by rules: exact, in both directions, with every fault in one message."""

import pytest

from underone.errors import WeightsMismatch
from underone.weights.rename import Rule, inverse, rename

RULES = (
    Rule("stem.{tensor}", "first.{tensor}"),
    Rule("stage{n+1}.{i}.conv.{tensor}", "stages.{n}.{i}.conv.{tensor}"),
    Rule("stage{n+1}.{i}.se.{tensor}", "stages.{n}.{i}.se.{tensor}", needed=False),
)


def test_any_number_of_indices_is_carried_over():
    assert rename(["stem.bias", "stage1.12.conv.weight"], RULES) == {
        "stem.bias": "first.bias",
        "stage1.12.conv.weight": "stages.0.12.conv.weight",
    }


def test_inverse_rules_give_the_names_back():
    keys = ["stem.weight", "stage1.0.conv.weight", "stage4.7.conv.bias", "stage2.0.se.weight"]
    there = rename(keys, RULES)
    assert list(rename(there.values(), inverse(RULES)).values()) == keys


def test_number_below_its_offset_does_not_fit():
    with pytest.raises(WeightsMismatch, match=r"no rule for 'stage0\.0\.conv\.weight'"):
        rename(["stem.bias", "stage1.0.conv.weight", "stage0.0.conv.weight"], RULES)


@pytest.mark.parametrize("key", ["stage1.x.conv.weight", "stage1.0.conv", "xstem.bias", "stem.a.b", "stem.0"])
def test_name_that_only_resembles_a_rule_does_not_fit(key):
    with pytest.raises(WeightsMismatch, match="no rule for"):
        rename([key, "stem.bias", "stage1.0.conv.weight"], RULES)


def test_all_faults_are_listed_at_once():
    rules = (*RULES, Rule("stem.{word}", "other.{word}"), Rule("a.{t}", "same.{t}"), Rule("b.{t}", "same.{t}"))
    with pytest.raises(WeightsMismatch) as raised:
        rename(["stem.bias", "a.1", "b.1", "unknown"], rules)
    assert str(raised.value).splitlines() == [
        "4 faults in the key map:",
        "    no rule for 'unknown'",
        "    2 rules for 'stem.bias'",
        "    rule 'stage{n+1}.{i}.conv.{tensor}' fits nothing",
        "    'a.1' and 'b.1' both become 'same.1'",
    ]


def test_badly_written_rule_is_said():
    with pytest.raises(WeightsMismatch, match=r"'\{i-1\}' in a key map is no field"):
        rename(["a.0"], [Rule("a.{i-1}", "b.{i}")])
