"""How much memory a network takes, and how long loading it does: in a fresh process, warmed up with a small network."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from underone.compare import Comparison, Limits, Verdict
from underone.graph import Graph, Node, Value, to_onnx
from underone.graph.onnx_file import with_verdict
from underone.runtime import load

pytest.importorskip("underone._native", reason="the compiled part is not installed")
if not Path("/proc/self/clear_refs").is_file():
    pytest.skip("memory is measured in Linux's /proc", allow_module_level=True)

# Three regions on huge pages end with up to 2 MiB that are not used, and Python keeps about 2 for the graph of a
# network.
# What Python and its libraries took for the small network is not counted.
ALLOWANCE = 8 << 20
# The classifier's, in float32 as the file has it: what is packed now lies in memory twice, everything else once.
LARGEST_WEIGHT = 4 * 1000 * 2048

CODE = """
import json, re, sys
import numpy as np
from underone.runtime import load

def resident(field):
    return 1024 * int(re.search(field + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

small, path, precision = sys.argv[1:]
with load(small, "native") as net:
    net.run(np.zeros([d or 1 for d in net.spec.input.shape], np.float32))
before = resident("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
net = load(path, "native", precision=precision)
net.run(np.zeros([d or 1 for d in net.spec.input.shape], np.float32))
(plan,) = net._adapter.plans.values()
print(json.dumps({
    "peak": resident("VmHWM") - before, "kept": resident("VmRSS") - before,
    "weights": plan.weight_bytes, "activations": plan.activation_bytes,
}))
"""


def chain(channels, layers, size):
    """1x1 convolutions one behind the other."""
    rng, nodes, constants, last = np.random.default_rng(0), [], {}, "x"
    for i in range(layers):
        constants[f"w{i}"] = rng.normal(0, channels**-0.5, (channels, channels, 1, 1)).astype(np.float32)
        nodes.append(Node("Conv", (last, f"w{i}"), (f"y{i}",), {}))
        last = f"y{i}"
    return Graph(tuple(nodes), (Value("x", (1, channels, size, size)),), (Value(last, ()),), constants)


def judged(content):
    """Append a verdict on these bytes: loading looks whether it is on them, which reads all of the file."""
    row = Comparison(on="noise", output="y", nmse=0, peak=0, limits=Limits())
    facts = {"sha256": hashlib.sha256(content).hexdigest()}
    return with_verdict(content, Verdict(kind="export", subject="a", reference="b", comparisons=(row,), facts=facts))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of a small and of a large network, and of those of the zoo that the demand is about."""
    from underone import create_model, reparameterize
    from underone.trace import trace

    folder = tmp_path_factory.mktemp("memory")
    (folder / "small.onnx").write_bytes(judged(to_onnx(chain(16, 2, 8))))
    (folder / "wide.onnx").write_bytes(judged(to_onnx(chain(1024, 16, 7))))  # 64 MiB of weights
    for name in ("mobileone_s0", "mobileone_s4", "mobilenet_v2_100"):
        (folder / f"{name}.onnx").write_bytes(judged(to_onnx(trace(reparameterize(create_model(name))))))
    return folder


def measured(folder, name, precision):
    command = [sys.executable, "-c", CODE, folder / "small.onnx", folder / f"{name}.onnx", precision]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["wide", "mobileone_s0", "mobileone_s4", "mobilenet_v2_100"])
def test_memory_is_that_of_the_plan_while_loading_too(folder, name, precision):
    found = measured(folder, name, precision)
    limit = found["weights"] + 1.3 * found["activations"] + ALLOWANCE
    assert found["kept"] <= limit
    assert found["peak"] <= limit + LARGEST_WEIGHT  # pages of the file are counted


def test_loading_59_megabytes_takes_less_than_150_ms(folder):
    def seconds():  # of this process alone: others may have the processor meanwhile
        start = time.process_time()
        with load(folder / "mobileone_s4.onnx", "native"):
            return time.process_time() - start

    assert min(seconds() for _ in range(5)) < 0.150
