"""Names that formats take."""

import numpy as np

from underone.formats.plain_names import with_plain_names
from underone.graph import Graph, Node, Value


def test_names_of_one_plain_form_stay_apart():
    constants = {name: np.float32(i) for i, name in enumerate(("a/b", "a.b", "a:b", "a_b_1", "1"))}
    nodes, last = [], "x"
    for name in constants:
        nodes.append(Node("Add", (last, name), (f"y/{name}",), {}))
        last = f"y/{name}"
    graph = Graph(tuple(nodes), (Value("x", (1,)),), (Value(last, (1,)),), constants)
    plain = with_plain_names(graph)
    assert len(plain.constants) == 5
    assert sorted(float(v) for v in plain.constants.values()) == [0, 1, 2, 3, 4]
    assert len({node.outputs[0] for node in plain.nodes}) == 5
    assert all(name.isidentifier() for name in plain.constants)
