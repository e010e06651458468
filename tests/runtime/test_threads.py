"""Threads of the native engine, counted in fresh processes: as many as were asked for, whoever calls."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from underone.graph import Graph, Node, Value, to_onnx

pytest.importorskip("underone._native", reason="the compiled part is not installed")
if not Path("/proc/self/task").is_dir():
    pytest.skip("threads are counted in Linux's /proc", allow_module_level=True)

HEAD = """
import json, os, sys, threading, time
import numpy as np
from underone.runtime import load

def count():
    return len(os.listdir("/proc/self/task"))

def run(net, times=1):
    for _ in range(times):
        found = net.run(x)["y"]
    return found

x = np.random.default_rng(1).normal(0, 1, (1, 32, 28, 28)).astype(np.float32)
path = sys.argv[1]
wanted = run(load(path, "native", threads=1))
before = count()
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng, nodes, constants, last = np.random.default_rng(0), [], {}, "x"
    for i in range(4):
        name = f"y{i}" if i < 3 else "y"
        constants[f"w{i}"] = rng.normal(0, 0.2, (32, 32, 1, 1)).astype(np.float32)
        nodes.append(Node("Conv", (last, f"w{i}"), (name,), {}))
        last = name
    graph = Graph(tuple(nodes), (Value("x", (1, 32, 28, 28)),), (Value("y", ()),), constants)
    file = tmp_path_factory.mktemp("threads") / "net.onnx"
    file.write_bytes(to_onnx(graph))
    return file


def told(path, code, **environment):
    command = [sys.executable, "-c", HEAD + code, str(path)]
    clean = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **environment}

    done = subprocess.run(command, env=os.environ | clean, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_an_engine_has_exactly_the_threads_it_was_given(path):
    code = """
counts = []
for threads in (1, 2, 4, 3):
    run(load(path, "native", threads=threads), 3)
    counts.append(count() - before)
print(json.dumps(counts))
"""
    assert told(path, code) == [0, 1, 3, 3]  # the caller is one of them; they are kept for the next engine


def test_threads_of_the_environment_are_taken_where_none_are_given(path):
    code = "run(load(path, 'native')); print(json.dumps(count() - before))"
    assert told(path, code, UNDERONE_THREADS="3") == 2


def test_two_engines_and_several_callers_share_the_threads(path):
    code = """
nets = [load(path, "native", threads=2), load(path, "native", threads=3, precision="float32")]
results, most = [], []

def work(i):
    for _ in range(50):
        if i % 2:
            results.append(np.array_equal(run(nets[i % 2]), wanted))
        else:
            results.append(np.array_equal(run(nets[0].clone()), wanted))
        most.append(count())

callers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for caller in callers: caller.start()
for caller in callers: caller.join()
time.sleep(0.1)  # the last of them may still be leaving
print(json.dumps([all(results), len(results), max(most) - before - len(callers), count() - before]))
"""
    assert told(path, code) == [True, 200, 2, 2]


def test_one_thread_leaves_the_other_cores_alone(path):
    code = """
net = load(path, "native", threads=1)
start, cpu = time.perf_counter(), time.process_time()
run(net, 2000)
print(json.dumps((time.process_time() - cpu) / (time.perf_counter() - start)))
"""
    assert told(path, code) < 1.1


def test_threads_sleep_soon_after_a_run(path):
    code = """
run(load(path, "native", threads=4), 3)
time.sleep(0.05)
cpu = time.process_time()
time.sleep(0.3)
print(json.dumps(time.process_time() - cpu))
"""
    assert told(path, code) < 0.02


def test_other_python_threads_go_on_while_the_engine_calculates(path):
    code = """
net, ticks = load(path, "native", threads=1), []
stop = threading.Event()

def tick():
    while not stop.is_set():
        ticks.append(time.perf_counter())
        time.sleep(0.001)

ticker = threading.Thread(target=tick)
ticker.start()
end = time.perf_counter() + 0.4
while time.perf_counter() < end:
    run(net)
stop.set()
ticker.join()
print(json.dumps(len(ticks)))
"""
    assert told(path, code) > 40


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_forked_children_run_with_threads_of_their_own(path, threads):
    code = f"""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
net = load(path, "native", threads={threads})
run(net)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        good = np.array_equal(run(net, 5), wanted) and count() == {threads}
        good = good and np.array_equal(run(load(path, "native", threads={threads})), wanted)
        os._exit(0 if good else 1)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children]
print(json.dumps([codes, bool(np.array_equal(run(net), wanted))]))
"""
    assert told(path, code) == [[0, 0, 0], True]
