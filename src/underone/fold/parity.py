"""Two forms of one network, compared while they run: every folded block on its real input, and the whole network."""

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..compare import TIMES_OWN_ROUNDING, Comparison, Limits, compare_outputs, difference, widened
from ..errors import ParityFailed

# float32 rounding is about 1e-13 per block and 1e-11 over a network; a term that is missing shows above 1e-6
LIMITS = Limits(nmse=1e-10, peak=1e-4)


class Parity:
    """Comparisons of a network with its folded form, both in eval mode.

    Args:
        before: the network.
        after: its folded form.
        names: dotted names of the folded blocks.

    Attributes:
        rows: one per input, block and output so far.
        notes: what was not compared, or not by the usual limits, and why.
    """

    def __init__(self, before: nn.Module, after: nn.Module, names: Sequence[str]) -> None:
        self.before = before
        self.after = after
        self.names = [name for name in names if name]  # the root is the whole network
        self.rows: list[Comparison] = []
        self.notes: list[str] = []

    def compare_on(self, on: str, image: Tensor) -> None:
        """Run both forms on one input; each folded block is compared on the activation that reaches it unfolded.

        Args:
            on: name of the input.
            image: (N, C, H, W).

        Raises:
            ParityFailed: a value is NaN or infinite, or a reference is all zeros and the folded form's is not.
        """
        met = set()

        def compare_block(name: str, _: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            met.add(name)
            self._compare(f"{name} on {on}", self.after.get_submodule(name), args, output)

        handles = [
            self.before.get_submodule(name).register_forward_hook(partial(compare_block, name)) for name in self.names
        ]
        try:
            want = self.before(image)
        finally:
            for handle in handles:
                handle.remove()
        self._compare(on, self.after, (image,), want)
        self.notes += [f"{name} was folded but did not run on {on!r}" for name in self.names if name not in met]

    def _compare(self, on: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        got, want = named_outputs(module(*args)), named_outputs(output)
        for name in [name for name, array in want.items() if not array.any() and name in got and not got[name].any()]:
            self.notes.append(f"on {on!r} output {name!r} is all zeros in both forms: nothing could be compared")
            del want[name]
        top1 = len(want) == 1 and all(array.ndim == 2 for array in want.values())
        try:
            rows = compare_outputs(on, got, want, LIMITS, top1)
        except ParityFailed as error:
            raise ParityFailed(f"on {on!r}: {error}") from error
        if not all(row.passed for row in rows):
            rows = self._with_own_rounding(rows, module, args, got)
        self.rows += rows

    def _with_own_rounding(
        self, rows: list[Comparison], module: nn.Module, args: tuple[Any, ...], got: Mapping[str, NDArray[Any]]
    ) -> list[Comparison]:
        """Widen the limits where a network amplifies rounding: to ten times its distance from itself in float64.

        Whole numbers keep their limit: a share of values that differ is no distance.
        """
        exact = named_outputs(copy.deepcopy(module).double()(*(_exact(arg) for arg in args)))
        judged = []
        for row in rows:
            if row.whole:
                judged.append(row)
                continue
            nmse, peak = difference(got[row.output], exact[row.output])
            limits = widened(LIMITS, nmse, peak)
            if limits != LIMITS:
                self.notes.append(
                    f"on {row.on!r} the folded form is nmse {nmse:.1e}, peak {peak:.1e} away from itself in float64; "
                    f"it amplifies rounding, so {TIMES_OWN_ROUNDING} times that is the limit there"
                )
            judged.append(row.model_copy(update={"limits": limits}))
        return judged


def named_outputs(output: Any, name: str = "") -> dict[str, NDArray[Any]]:
    """Give the tensors of whatever a network returned names: keys or positions, dotted; ``output`` for a single one."""
    if isinstance(output, Tensor):
        return {name or "output": output.detach().cpu().numpy()}
    if not isinstance(output, Mapping | list | tuple):
        return {}  # no tensor: nothing to compare
    items = output.items() if isinstance(output, Mapping) else enumerate(output)
    prefix = f"{name}." if name else ""
    return {inner: array for key, value in items for inner, array in named_outputs(value, f"{prefix}{key}").items()}


def _exact(value: Any) -> Any:
    return value.double() if isinstance(value, Tensor) and value.dtype == torch.float32 else value
