"""Plan: what it checks, threads, forks, several callers."""

import os
import signal
import threading

import numpy as np
import pytest

from underone.errors import BadValue
from underone.native import choose_isa

native = pytest.importorskip("underone._native", reason="the compiled part is not installed")

ISA = native.isas()[0]
WEIGHT = np.random.default_rng(0).normal(0, 0.1, (32, 16, 1, 1)).astype(np.float32)
MAP, WIDE = ("float32", (1, 16, 24, 24), 0), ("float32", (1, 32, 24, 24), 0)
PLAIN, RESULT = ("float32", (1, 16, 24, 24), -1), ("float32", (1, 32, 24, 24), -1)
WINDOW = {"kernel": [3, 3], "strides": [1, 1], "dilations": [1, 1], "pads": [1, 1, 1, 1]}
CHAIN = ("cells.chain", "conv", {}, [1, -1, -1, -1, -1, -1, 4, -1], [2])
STEPS = [("cells.load", "x", {}, [0], [1]), CHAIN, ("cells.store", "y", {}, [2], [3])]


def plan(tensors=(PLAIN, MAP, WIDE, RESULT, ("float32", WEIGHT.shape, -1)), weight=WEIGHT, steps=STEPS, **options):
    return native.Plan(list(tensors), {4: weight}, steps, [0], [3], **({"isa": ISA} | options))


@pytest.fixture
def image():
    return np.random.default_rng(1).normal(0, 1, (1, 16, 24, 24)).astype(np.float32)


def changed(index, row):
    tensors = [PLAIN, MAP, WIDE, RESULT, ("float32", WEIGHT.shape, -1)]
    tensors[index] = row
    return {"tensors": tensors}


@pytest.mark.parametrize(("change", "message"), [
    (changed(2, ("float32", (1, 48, 24, 24), 0)), "conv: cells.chain has a weight of another shape"),
    (changed(2, ("float32", (1, 32, 24, 23), 0)), "conv: cells.chain gives another size than its window says"),
    (changed(1, ("float32", (1, 24, 24, 24), 0)), "x: cells.load has another shape than its map"),
    (changed(3, ("float32", (1, 32, 24, 23), -1)), "y: cells.store has another shape than its map"),
    (changed(1, PLAIN), "x: cells.load gives a map"),
    (changed(1, ("float32", (16, 24, 24), 0)), r"a map has the shape \(16, 24, 24\)"),
    (changed(1, ("int64", (1, 16, 24, 24), 0)), "a map has the shape"),
    (changed(1, ("float32", (1, 1 << 19, 1 << 12, 1 << 12), 0)), "at most 4 GiB"),
    (changed(1, ("float32", (1, -16, 24, 24), 0)), "sizes from 0 up"),
    ({"steps": STEPS[1:]}, "tensor 1 is read before it is written"),
    ({"steps": [*STEPS, STEPS[0]]}, "tensor 1 is written twice"),
    ({"steps": [("cells.load", "x", {}, [0], [9])]}, "tensor 9, which does not exist"),
    ({"steps": [STEPS[0], (*CHAIN[:2], WINDOW, *CHAIN[3:]), STEPS[2]]}, "has a weight of another shape"),
    ({"threads": 0}, "threads=0"),
    ({"steps": [STEPS[0], (*CHAIN[:2], {"limits": [0.0]}, *CHAIN[3:]), STEPS[2]]}, "limits that are no pair"),
])  # fmt: skip
def test_what_does_not_fit_is_an_error_when_the_plan_is_made(change, message):
    with pytest.raises(ValueError, match=message):
        plan(**change)


def test_windows_past_the_border_of_a_map_are_refused():
    weight = np.zeros((32, 16, 3, 3), np.float32)
    steps = [STEPS[0], (*CHAIN[:2], WINDOW, *CHAIN[3:]), STEPS[2]]
    with pytest.raises(ValueError, match="reads past the border of its map"):
        plan(**changed(4, ("float32", weight.shape, -1)), weight=weight, steps=steps)


@pytest.mark.parametrize("options", [{"isa": "sse9"}, {"precision": "int3"}])
def test_what_this_processor_does_not_have_is_not_implemented(options):
    with pytest.raises(NotImplementedError, match=r"sse9|int3"):
        plan(**options)


@pytest.mark.parametrize(
    "array", [np.zeros((1, 16, 24, 23), np.float32), np.zeros((1, 16, 24, 24)), np.zeros(3, np.float32)]
)
def test_inputs_of_another_form_are_refused(array):
    with pytest.raises(ValueError, match=r"input 0 does not fit; float32 \(1, 16, 24, 24\) is required"):
        plan().run([array])
    with pytest.raises(ValueError, match="0 inputs were given; 1 are required"):
        plan().run([])


def test_any_number_of_threads_gives_the_same_bits(image):
    wanted = plan().run([image])[0]
    for threads in (2, 3, 5, 8):
        np.testing.assert_array_equal(plan(threads=threads).run([image])[0], wanted)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in Linux's /proc")  # noqa: PTH112
def test_the_pool_holds_no_more_threads_than_any_plan_asked_for(image):
    plan(threads=8).run([image])  # other tests may have asked for fewer
    before = len(os.listdir("/proc/self/task"))
    for threads in (1, 2, 4, 8):
        plan(threads=threads).run([image])
    assert len(os.listdir("/proc/self/task")) == before


def test_plans_of_several_threads_run_at_the_same_time(image):
    plans = [plan(threads=1 + i % 3) for i in range(4)]
    wanted, faults = plan().run([image])[0], []

    def work(i):
        for _ in range(100):
            if not np.array_equal(plans[i].run([image])[0], wanted):
                faults.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not faults


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_runs_on_threads_of_its_own(image):
    made = plan(threads=2)
    wanted = made.run([image])[0]
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(made.run([image])[0], wanted) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(made.run([image])[0], wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_forked_while_a_thread_runs_can_run(image, threads):
    made = plan(threads=threads)
    wanted, over = made.run([image])[0], threading.Event()

    def run_on():
        while not over.is_set():
            made.run([image])

    busy = [threading.Thread(target=run_on) for _ in range(3)]
    for thread in busy:
        thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(20)  # a lock that nobody opens
                os._exit(0 if np.array_equal(made.run([image])[0], wanted) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        over.set()
        for thread in busy:
            thread.join()


def test_outputs_that_are_inputs_or_constants_are_copies():
    x, constant = np.ones(3, np.float32), np.full(2, 7, np.float32)
    made = native.Plan([("float32", (3,), -1), ("float32", (2,), -1)], {1: constant}, [], [0], [0, 1, 0], isa=ISA)
    first, second, third = made.run([x])
    first[:], second[:] = 0, 0
    assert x.tolist() == third.tolist() == [1, 1, 1]
    assert made.run([x])[1].tolist() == [7, 7]


def test_memory_is_reported(image):
    made = plan()
    assert made.weight_bytes >= WEIGHT.nbytes
    assert made.activation_bytes >= 2 * image.nbytes


def test_the_instruction_set_can_be_chosen(monkeypatch):
    monkeypatch.setenv("UNDERONE_ISA", "avx2" if "avx2" in native.isas() else native.isas()[0])
    assert choose_isa() in native.isas()
    monkeypatch.setenv("UNDERONE_ISA", "sse9")
    with pytest.raises(BadValue, match="UNDERONE_ISA='sse9'; this processor has"):
        choose_isa()
