"""How fast the native engine is beside every other engine on the same processor, on the same ONNX files.

    python benchmarks/engines.py [--peers PYTHON] [--threads 1,2] [--precisions float32,bfloat16] [--rounds 30]
                                 [--calls 10] [--models DIR] [network …]

Every engine is a process of its own, all alive at once and told in turns to time some calls, each round beginning with
another one. Their outputs are compared with the numpy reference first; an engine that differs is not
timed. A probe of the machine (multiply-adds in registers on the same threads) is timed in every round:
rounds in which it falls below 85 % of its best are dropped for everybody, and how many were is printed. The ratio of a
peer is the median over rounds of its median by ours; a network's figure is that of its best peer, and a table's the
geometric mean over networks. A network on which an engine failed, or that has fewer than five steady rounds, is shown
but does not count. Ours is also shown as a share of the probe in the same round: the network's multiply-adds by those
in registers (float32).

PYTHON is an interpreter that has ai-edge-litert and litert-torch, executorch, ncnn and pnnx, and what this package
needs; without it onnxruntime and openvino alone are compared. LiteRT, ExecuTorch and ncnn run what their own converters
make of the file (workers/). Networks have random weights and batch norms that have
seen photographs; detectors and segmenters of the zoo are taken by name as well, their bodies alone. In int8 all run one
file, which onnxruntime's quantiser has made (QDQ, weights by channel, activations uint8, ranges of the packaged
photographs). Writes one Record for each row into benchmarks/engines/.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import underone as uo
from underone import _native
from underone.bench import Record, describe
from underone.bench.record import Protocol
from underone.compare import ROUNDING, Limits, Verdict, compare_outputs
from underone.fold.trial import trial_inputs
from underone.formats.parity import with_own_rounding
from underone.graph import count, read_onnx
from underone.image import photograph, photographs, prepare
from underone.nn.statistics import randomize_statistics
from underone.spec import IMAGENET_PREPARATION, InputSpec
from underone.trace import trace
from underone.zoo.statistics import settle_statistics

RESULTS = Path(__file__).with_name("engines")
WORKERS = Path(__file__).with_name("workers")
NETWORKS = [*(f"mobileone_s{i}" for i in range(5)), "mobilenetv1_100", "mobilenet_v2_100"]
OURS = ("native", "onnxruntime", "openvino")
OUTSIDE = ("litert", "executorch", "ncnn")
PRECISIONS = {
    "float32": (*OURS, *OUTSIDE),
    "bfloat16": ("native", "openvino", "ncnn"),  # the others calculate in float32 here
    "int8": OURS,  # the others do not read the file
}
# with random weights a peer may stray further than ours is allowed to, and it should be timed all the same
PEERS_LIMITS = ROUNDING | {"bfloat16": Limits(nmse=1e-2, peak=2.0), "int8": Limits(nmse=3e-2, peak=2.0)}
PEERS_LIMITS_DENSE = PEERS_LIMITS | {"int8": Limits(nmse=0.3, peak=5.0)}  # OpenVINO: 0.05 on SSDLite, 0.15 on DeepLab
# whole numbers: the same but for the last float steps; onnxruntime rounds some pooled maps the other way
OUR_LIMITS = ROUNDING | {"int8": Limits(nmse=1e-12, peak=1e-5)}
PICTURE = InputSpec(shape=(1, 3, 224, 224), preparation=IMAGENET_PREPARATION)  # of files that do not say
FEWEST_ROUNDS = 5  # a ratio of fewer is shown, but not counted
STEADY = 0.85  # of the probe's best round
SETTLING = 3  # calls after the others' turns, not counted

Array = NDArray[Any]


def make(name: str, folder: Path) -> Path:
    """Write the folded network; mobilenetv1_100 is timm's, whose batch norms the engines fold."""
    path = folder / f"{name}.onnx"
    if path.exists():
        return path
    torch.manual_seed(0)
    if name == "mobilenetv1_100":
        model = timm.create_model(name).eval()
        randomize_statistics(model, torch.cat(list(trial_inputs(model, (3, 224, 224)).values())))
        return uo.export(trace(model), path)
    model = uo.create_model(name)
    settle_statistics(model)  # of two pictures, the mean of a segmenter's map would amplify rounding
    return uo.export(uo.reparameterize(model), path)


def picture_of(own: InputSpec) -> InputSpec:
    """Give how pictures are prepared for a network."""
    return own if own.preparation else PICTURE


class Photographs(CalibrationDataReader):  # type: ignore[misc]
    """The packaged photographs, for onnxruntime's quantiser."""

    def __init__(self, name: str, inputs: InputSpec) -> None:
        self.arrays = iter([{name: prepare(photograph(p.name), inputs)} for p in photographs()])

    def get_next(self) -> dict[str, Array] | None:
        """Give the next one."""
        return next(self.arrays, None)


def quantised(path: Path) -> Path:
    """Write the network as onnxruntime quantises it."""
    target = path.with_name(f"{path.stem}-int8.onnx")
    if target.exists():
        return target
    ready = path.with_name(f"{path.stem}-ready.onnx")
    quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)  # which fails on segmenters
    graph = read_onnx(path)
    reader = Photographs(graph.inputs[0].name, picture_of(graph.spec.input))
    how = {"quant_format": QuantFormat.QDQ, "per_channel": True}
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(str(ready), str(target), reader, **how, **types)
    return target


@dataclass
class Worker:
    """One engine in its process."""

    engine: str
    process: subprocess.Popen[str]
    output: Path
    versions: dict[str, str] = field(default_factory=dict)
    rounds: list[list[float]] = field(default_factory=list)
    error: str | None = None
    verdict: Verdict | None = None

    def answer(self) -> Any:
        """Read one line of JSON."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process ended with {self.process.wait()}")
        return json.loads(line)

    def time(self, calls: int) -> list[float]:
        """Have it time so many calls; return milliseconds."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{calls + SETTLING}\n")
        self.process.stdin.flush()
        return list(self.answer())[SETTLING:]

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def start(engine: str, path: Path, precision: str, threads: int, image: Path, python: str) -> Worker:
    output = path.with_name(f"{path.stem}-{engine}-{precision}.npy")
    calculated = "float32" if precision == "int8" else precision  # of what the file leaves in floats
    job = {"path": str(path), "engine": engine, "precision": calculated, "threads": threads}
    job |= {"input": str(image), "output": str(output)}
    script = WORKERS / f"via_{'underone' if engine in OURS else engine}.py"
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    if engine in OUTSIDE:
        environment["PYTHONPATH"] = str(Path(uo.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable if engine in OURS else python, str(script), json.dumps(job)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    )  # fmt: skip
    worker = Worker(engine, process, output)
    try:
        worker.versions = worker.answer()
    except RuntimeError as error:
        worker.error = str(error)
    return worker


def check(workers: Sequence[Worker], wanted: Array, precision: str, path: Path, image: Array) -> None:
    """Compare the first answers with what is wanted; an engine that differs is not timed."""
    limits = PEERS_LIMITS_DENSE if path.stem.startswith(("ssd", "deeplab")) else PEERS_LIMITS
    graph = read_onnx(path)
    name = graph.outputs[0].name
    rows = []
    for worker in workers:
        own = (OUR_LIMITS if worker.engine == "native" else limits)[precision]
        rows += compare_outputs("photo", {name: np.load(worker.output)}, {name: wanted}, own)
    if precision == "float32":  # random heads may amplify rounding
        rows, _ = with_own_rounding(rows, lambda: graph, image)
    for worker, row in zip(workers, rows, strict=True):
        worker.verdict = Verdict(kind="bench", subject=worker.engine, reference="reference", comparisons=(row,))
        if not row.passed:
            worker.error = f"its outputs differ: nmse {row.nmse:.1e}, peak {row.peak:.1e}"


def probe(threads: int, seconds: float = 0.02) -> float:
    """Return the multiply-adds of all threads together, in operations a second."""
    isa = next(isa for isa in _native.isas() if isa != "amx")
    found: list[float] = []
    workers = [threading.Thread(target=lambda: found.append(_native.peak(isa, seconds))) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(found)


def compete(path: Path, precision: str, threads: int, options: argparse.Namespace) -> tuple[list[Record], int, float]:
    """Measure every engine on one network; return Records, how many rounds were dropped, and our share of peak."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.npy"
        with uo.load(path, "reference") as net:
            array = prepare(photograph(), picture_of(net.spec.input))
            np.save(image, array)
            wanted = next(iter(net.run({net.spec.input.name: array}).values()))
        engines = [e for e in PRECISIONS[precision] if options.peers or e in OURS]
        workers = [start(e, path, precision, threads, image, options.peers) for e in engines]
    check([w for w in workers if w.error is None], wanted, precision, path, array)
    ready = [w for w in workers if w.error is None]
    try:
        peaks = take_turns(ready, threads, options.rounds, options.calls) if ready else []
    finally:
        for worker in workers:
            worker.close()
    steady = [i for i, peak in enumerate(peaks) if peak >= STEADY * max(peaks)]
    ours = [workers[0].rounds[i] for i in steady if workers[0].error is None]
    share = share_of_peak(path, ours, [peaks[i] for i in steady]) if ours else 0.0
    return [record(w, path, precision, threads, steady) for w in workers], len(peaks) - len(steady), share


def take_turns(workers: Sequence[Worker], threads: int, rounds: int, calls: int) -> list[float]:
    """Time all workers in every round; return the probe's figure of each round."""
    for worker in workers:
        worker.time(2 * calls)
    peaks = []
    for turn in range(rounds):
        first = turn % len(workers)
        before = probe(threads)
        for worker in (*workers[first:], *workers[:first]):
            worker.rounds.append(worker.time(calls))
        peaks.append(min(before, probe(threads)))
    return peaks


def share_of_peak(path: Path, rounds: Sequence[Sequence[float]], peaks: Sequence[float]) -> float:
    """Give the network's operations a second by those of the probe: the median over rounds."""
    operations = 2 * count(read_onnx(path)).macs
    return float(np.median([operations / (1e-3 * np.median(r) * p) for r, p in zip(rounds, peaks, strict=True)]))


def record(worker: Worker, path: Path, precision: str, threads: int, steady: Sequence[int]) -> Record:
    rounds = [worker.rounds[i] for i in steady] if worker.error is None else []
    return Record(
        model=path.stem, engine=worker.engine, threads=threads, precision=precision, form="folded", machine=describe(),
        protocol=Protocol(name="interleaved", input="photo"), samples_ms=tuple(t for r in rounds for t in r),
        round_sizes=tuple(map(len, rounds)), outputs=worker.verdict, error=worker.error,
        date=datetime.now(UTC).isoformat(timespec="seconds"), versions=worker.versions,
    )  # fmt: skip


def ratios(records: Sequence[Record]) -> dict[str, float]:
    """Give how many times slower than ours each peer is, paired by rounds."""
    ours = next(r for r in records if r.engine == "native")
    return {
        r.engine: float(np.median(r.round_medians / ours.round_medians))
        for r in records
        if r is not ours and r.samples_ms and ours.samples_ms
    }


def show(records: Sequence[Record], dropped: int, share: float) -> float | None:
    """Print one network's row; return the ratio of its best peer, or None where it should not be counted."""
    found = ratios(records)
    cells = [
        f"{r.engine} " + (f"{r.median_ms:.2f} (min {r.min_ms:.2f})" if r.samples_ms else f"failed: {r.error}")
        for r in records
    ]
    best = min(found, key=lambda engine: found[engine], default=None)
    head = f"{records[0].model:17} {records[0].precision:8} {records[0].threads} thr."
    kept = max(len(r.round_sizes) for r in records)
    verdict = f"best peer {best} {found[best]:.3f}×" if best else "no ratio"
    print(
        f"{head}  {verdict}  {share:.0%} of peak  [{kept} rounds, {dropped} dropped]  ms: {'; '.join(cells)}",
        flush=True,
    )
    complete = kept >= FEWEST_ROUNDS and not any(r.error for r in records)
    return found[best] if best and complete else None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--peers")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--precisions", default="float32,bfloat16")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--models", type=Path)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = [make(name, options.models or Path(folder)) for name in options.networks]
        for threads in map(int, options.threads.split(",")):
            peak = max(probe(threads) for _ in range(10))
            print(f"{threads} threads: multiply-adds at {peak / 1e9:.0f} GFLOP/s\n{describe()}")
            for precision in options.precisions.split(","):
                table = []
                for plain in paths:
                    path = quantised(plain) if precision == "int8" else plain
                    records, dropped, share = compete(path, precision, threads, options)
                    table.append(show(records, dropped, share))
                    for r in records:
                        file = f"{r.model}-{precision}-{threads}-{r.engine}-{r.machine.fingerprint}-{r.date[:10]}.json"
                        (RESULTS / file).write_text(r.to_json())
                known = [value for value in table if value]
                if known:
                    mean = math.exp(float(np.mean(np.log(known))))
                    of = f"{len(known)} of {len(table)} networks"
                    print(
                        f"{precision}, {threads} threads, {of}: geometric mean {mean:.3f}×, least {min(known):.3f}×\n"
                    )


if __name__ == "__main__":
    main()
