"""One engine in a process of its own: it answers once, for the comparison, and then times calls when told to.

The job comes as JSON in the first argument: path, engine, precision, threads, input and output (files of numpy). The
first line on standard output is JSON about the engine; then each number on standard input is answered by the duration
of so many calls, in milliseconds.
"""

import json
import os
import sys
import time

import numpy as np


def serve(load):
    """Serve with `load(path, precision, threads, engine) -> (run(array) -> array, versions)`."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    job = json.loads(sys.argv[1])
    run, versions = load(job["path"], job["precision"], job["threads"], job["engine"])
    image = np.load(job["input"])
    np.save(job["output"], run(image))
    print(json.dumps(versions), file=answers)
    for line in sys.stdin:
        print(json.dumps([timed(run, image) for _ in range(int(line))]), file=answers)


def timed(run, image):
    start = time.perf_counter_ns()
    run(image)
    return (time.perf_counter_ns() - start) / 1e6
