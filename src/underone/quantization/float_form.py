"""The network that is quantised: in float32, everything folded that can be."""

from ..errors import BadValue
from ..graph import Graph
from ..graph.fold_scales import fold_scales
from ..graph.open_batch import open_batch
from ..graph.passes import drop_identities, fold_batch_norm, fold_pad_into_conv

_INTEGER = frozenset(
    ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger")
)


def float_form(graph: Graph) -> Graph:
    """Fold batch norms, factors and paddings into the convolutions, and let the network take any number of pictures.

    Raises:
        BadValue: the network is quantised already, its weights are not float32, or it takes a fixed number of pictures
            only.
    """
    found = [node for node in graph.nodes if node.op in _INTEGER]
    if found:
        raise BadValue(
            f"{graph.spec.name} is quantised already: it has {len(found)} nodes such as {found[0].op}; give the "
            "float32 network that it was made from"
        )
    half = [name for name, c in graph.constants.items() if c.dtype.name in ("float16", "bfloat16")]
    if half:
        raise BadValue(
            f"{graph.spec.name} has weights of {graph.constants[half[0]].dtype.name}, such as {half[0]!r}; give the "
            "float32 network that it was made from"
        )
    folded = drop_identities(fold_scales(fold_batch_norm(fold_pad_into_conv(graph))))
    opened = open_batch(folded)
    if any(not v.shape or v.shape[0] is not None for v in opened.inputs):
        raise BadValue(
            f"{graph.spec.name} takes {[v.shape for v in graph.inputs]}: a fixed number of pictures, which its "
            "operators mix; export it for any number"
        )
    return opened
