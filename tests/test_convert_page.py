"""The page about foreign checkpoints is true: its Python runs, its tables name what is there."""

import re
from pathlib import Path

import torch

import underone as uo
from underone.foreign.read import FORMATS
from underone.weights import LAYOUTS

PAGE = (Path(__file__).parents[1] / "docs/convert.md").read_text("utf-8")


def as_my_trainer(name):
    """Name a tensor as the page's imaginary trainer does."""
    name = re.sub(r"^backbone\.stem\.conv\.", "net.first.", name)
    name = re.sub(r"^backbone\.stem\.bn\.", "net.first_norm.", name)
    place = re.match(r"backbone\.blocks\.(\d+)\.(depthwise|pointwise)\.", name)
    if place:
        layer = {"depthwise": "dw", "pointwise": "pw"}[place[2]]
        return f"net.{layer}{int(place[1]) + 1}.{name[place.end() :]}"
    return re.sub(r"^head\.", "out.", name)


def test_python_of_the_page_reads_names_of_ones_own(tmp_path, monkeypatch, capsys, randomize_statistics):
    monkeypatch.chdir(tmp_path)
    model = uo.create_model("mobilenet_v1_050", num_classes=5, padding="tf_same", bn_eps=1e-3)
    state = randomize_statistics(model).state_dict()
    torch.save({"ema": {as_my_trainer(n): t for n, t in state.items()}}, "mine.pth")
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(code, "convert.md", "exec"), {"__name__": "page"})
    out = capsys.readouterr().out
    assert out.startswith("mobilenet_v1_050 my trainer export passed")
    assert uo.load("net.onnx").spec.padding == "tf_same"


def test_tables_name_every_source_and_format():
    for layout in LAYOUTS:
        if layout.source != "underone":
            assert layout.source in PAGE, layout.source
    for entry in FORMATS:
        assert entry.name.partition(" ")[0] in PAGE, entry.name
