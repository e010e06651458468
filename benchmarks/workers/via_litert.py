"""LiteRT with XNNPACK: torch → litert-torch → .tflite."""

from importlib.metadata import version
from pathlib import Path

from serve import serve


def convert(path):
    import litert_torch
    from graph_module import GraphModule

    target = Path(path).with_suffix(".tflite")
    if not target.exists():
        module = GraphModule(path).eval()
        litert_torch.convert(module, (module.image(),)).export(str(target))
    return str(target)


def load(path, precision, threads, engine):
    if precision != "float32":
        raise SystemExit(f"{engine} has no {precision} on this processor")
    file = convert(path)
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(file, num_threads=threads)
    net.allocate_tensors()
    source, target = net.get_input_details()[0]["index"], net.get_output_details()[0]["index"]

    def run(image):
        net.set_tensor(source, image)
        net.invoke()
        return net.get_tensor(target)

    return run, {"ai-edge-litert": version("ai-edge-litert"), "litert-torch": version("litert-torch")}


serve(load)
