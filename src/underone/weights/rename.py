"""Rename the tensors of a checkpoint: a layout is a table of rules, read in either direction.

A rule is a pair of templates, `theirs` and `ours`, with the same fields. A field of one letter, `{i}`, stands for a
whole number from 0 up; `{i+1}` for that number plus one. A longer field, `{tensor}`, stands for a word without dots.

>>> rename(["stage1.0.rbr_skip.bias"], [Rule("stage{n+1}.{i}.rbr_skip.{tensor}", "stages.{n}.{i}.skip.{tensor}")])
{'stage1.0.rbr_skip.bias': 'stages.0.0.skip.bias'}
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..errors import WeightsMismatch

_FIELD = re.compile(r"\{(\w+?)(?:\+(\d+))?\}")


class Rule(NamedTuple):
    """One line of a key map.

    Attributes:
        theirs: template of the foreign name.
        ours: template of our name.
        needed: whether a rule that fits no tensor is a fault.
    """

    theirs: str
    ours: str
    needed: bool = True


def inverse(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Turn the rules round: from our names to the foreign ones."""
    return tuple(Rule(ours, theirs, needed) for theirs, ours, needed in rules)


def rename(keys: Iterable[str], rules: Sequence[Rule]) -> dict[str, str]:
    """Map every key to its new name.

    Args:
        keys: tensor names of the checkpoint.
        rules: the key map; each key must fit exactly one.

    Returns:
        {key: new name}, in the order of the keys.

    Raises:
        WeightsMismatch: a key fits no rule or several, two keys get one name, or a needed rule fits nothing.
            All faults are listed at once.
    """
    fits = {key: [(rule, new) for rule in rules if (new := _apply(rule, key)) is not None] for key in keys}
    used = {rule for hits in fits.values() for rule, _ in hits}
    faults = [f"no rule for {key!r}" for key, hits in fits.items() if not hits]
    faults += [f"{len(hits)} rules for {key!r}" for key, hits in fits.items() if len(hits) > 1]
    faults += [f"rule {rule.theirs!r} fits nothing" for rule in rules if rule.needed and rule not in used]
    renamed = {key: hits[0][1] for key, hits in fits.items() if hits}
    faults += _collisions(renamed)
    if faults:
        raise WeightsMismatch(f"{len(faults)} faults in the key map:\n    " + "\n    ".join(faults))
    return renamed


def split(keys: Iterable[str], rules: Sequence[Rule]) -> tuple[list[str], list[str]]:
    """Part the keys into those that fit a rule and those that fit none."""
    fitting: list[str] = []
    others: list[str] = []
    for key in keys:
        (fitting if any(_apply(rule, key) is not None for rule in rules) else others).append(key)
    return fitting, others


def _collisions(renamed: dict[str, str]) -> list[str]:
    owner: dict[str, str] = {}
    return [
        f"{owner[new]!r} and {key!r} both become {new!r}"
        for key, new in renamed.items()
        if owner.setdefault(new, key) != key
    ]


def _apply(rule: Rule, key: str) -> str | None:
    """Rename one key; None where the rule does not fit."""
    match = _pattern(rule.theirs).fullmatch(key)
    if match is None:
        return None
    numbers = {
        field: int(match[field]) - int(offset or 0) for field, offset in _FIELD.findall(rule.theirs) if len(field) == 1
    }
    if any(number < 0 for number in numbers.values()):
        return None

    def fill(field: re.Match[str]) -> str:
        name, offset = field.groups()
        return str(numbers[name] + int(offset or 0)) if name in numbers else match[name]

    return _FIELD.sub(fill, rule.ours)


@lru_cache(maxsize=1024)
def _pattern(template: str) -> re.Pattern[str]:
    """Compile a template to a regex with one named group for each field."""
    parts = re.split(r"(\{[^}]*\})", template)
    return re.compile("".join(_group(part) if part.startswith("{") else re.escape(part) for part in parts))


def _group(part: str) -> str:
    match = _FIELD.fullmatch(part)
    if match is None:
        raise WeightsMismatch(f"{part!r} in a key map is no field; write {{i}}, {{i+1}} or {{word}}")
    return rf"(?P<{match[1]}>\d+)" if len(match[1]) == 1 else rf"(?P<{match[1]}>[A-Za-z_]\w*)"
