"""Trial: one case measured on several engines in turns with the sentinel; what the pages are made of."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..bench import Machine, Ratio, Record, ratio
from ..errors import BadFile
from ..files import atomic_write
from ..graph import Graph, count
from ..graph.passes import fold_batch_norm
from ..spec import Frozen, read_record
from .accuracy import Score
from .cases import Case
from .table import BY_SOURCE

TRIAL_VERSION = (1, 1)
SENTINEL = Case(source="zoo:mobileone_s0")  # measured in turns with every case: its drift is the machine's


class Facts(Frozen):
    """What a network costs, counted from its graph in float32 at the case's batch.

    Attributes:
        params: weights in the file, without the means and variances of batch norms.
        macs: multiply-accumulates.
        bytes_moved: weights and activations read and written, node by node, batch norms folded.
        depth: nodes on the longest way from input to output, batch norms folded.
    """

    params: int
    macs: int
    bytes_moved: int
    depth: int


class Trial(Frozen):
    """What was found for one case on one machine.

    Attributes:
        case: what was measured.
        machine: where.
        sha256: of the file.
        facts: None where the file could not be made.
        scores: of a converted network, on labelled photographs.
        records: of the sentinel, then of each engine; an engine that refused has a Record with the error.
        error: why there is no file, in one sentence.
    """

    trial_version: str = "{}.{}".format(*TRIAL_VERSION)
    case: Case
    machine: Machine
    sha256: str = ""
    facts: Facts | None = None
    scores: tuple[Score, ...] = ()
    records: tuple[Record, ...] = ()
    error: str | None = None

    @property
    def sentinel(self) -> Record | None:
        """The sentinel's Record, None where nothing was measured."""
        return self.records[0] if self.records else None

    @property
    def engines(self) -> Mapping[str, Record]:
        """The case's own Records by engine."""
        return {record.engine: record for record in self.records[1:]}

    def milliseconds(self, engine: str) -> float | None:
        """Give the median of an engine, None where it has none."""
        record = self.engines.get(engine)
        return record.median_ms if record is not None else None

    @property
    def name(self) -> str:
        """The network as its source prints it, or else the name of the source."""
        network = BY_SOURCE.get(self.case.source)
        return network.name if network is not None else self.case.source.partition(":")[2]

    def against_sentinel(self, engine: str) -> Ratio | None:
        """Give how many times slower the case is than the sentinel in the same rounds."""
        record = self.engines.get(engine)
        return ratio(record, self.records[0]) if record is not None else None

    def against_best_peer(self) -> tuple[str, Ratio] | None:
        """Give the best other engine and how many times slower than ours it is; None where either has no samples."""
        ours = self.engines.get("native")
        peers = {name: r for name, r in self.engines.items() if name != "native" and r.samples_ms}
        if ours is None or not peers:
            return None
        best = min(peers, key=lambda name: float(np.median(peers[name].round_medians)))
        found = ratio(peers[best], ours)
        return (best, found) if found is not None else None

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "trial") -> "Trial":
        """Read what `write_trial` wrote.

        Raises:
            BadFile: no trial, or one of a newer major version.
        """
        return read_record(cls, text, TRIAL_VERSION, "trial_version", where)


def count_facts(graph: Graph, batch: int) -> Facts:
    """Count what a network costs.

    Args:
        graph: the network, with or without batch norms.
        batch: pictures a call.
    """
    statistics = {name for node in graph.nodes if node.op == "BatchNormalization" for name in node.inputs[3:]}
    left_out = sum(int(graph.constants[name].size) for name in statistics)
    found = count(fold_batch_norm(graph), batch)
    return Facts(
        params=graph.params - left_out, macs=found.macs, bytes_moved=found.bytes_moved, depth=found.depth
    )  # fmt: skip


def trial_path(case: Case, folder: Path, fingerprint: str) -> Path:
    """Say where the trial of a case lies, by the machine's fingerprint."""
    return folder / f"{case.key}-{fingerprint}.json"


def write_trial(trial: Trial, path: Path) -> None:
    """Write a trial as JSON.

    Raises:
        BadFile: the file cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(trial.model_dump_json(indent=1), "utf-8")


def read_trials(folder: Path) -> list[Trial]:
    """Read every trial of a folder, in the order of their names.

    Raises:
        BadFile: there is none, or a file is no trial.
    """
    paths: Sequence[Path] = sorted(Path(folder).glob("*.json"))
    if not paths:
        raise BadFile(f"{folder} has no trials; measure some: underone study all --quick -o {folder}")
    return [Trial.from_json(path.read_bytes(), str(path)) for path in paths]


def chosen(trials: Sequence[Trial], cases: Sequence[Case]) -> list[Trial]:
    """Pick the trials of cases, in the order of the cases, whatever their precision is."""
    by_case = {trial.case.model_copy(update={"precision": "float32"}): trial for trial in trials}
    return [by_case[case] for case in cases if case in by_case]
