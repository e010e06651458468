"""Every command, as a person would type it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

import underone as uo
from underone.cli import main
from underone.cli.app import app
from underone.errors import FetchFailed
from underone.files import fetch
from underone.image import photographs
from underone.weights import REAL_FILES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small network with weights as file, exported in both forms, and the packaged photographs."""
    folder = tmp_path_factory.mktemp("cli")
    torch.manual_seed(0)
    model = uo.create_model("mobilenet_v2_035", num_classes=9)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.num_batches_tracked.fill_(1)
    torch.save(model.state_dict(), folder / "weights.pth")
    uo.export(uo.reparameterize(model), folder / "net.onnx")
    (folder / "photos").mkdir()
    for photo in photographs():
        (folder / "photos" / photo.name).write_bytes(photo.content)
    return folder


def run(capsys, *arguments, code=0):
    """Run a command; return (standard output, standard error)."""
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    got = capsys.readouterr()
    assert (stop.value.code or 0) == code, got.err
    return got


COMMANDS = [
    "bench", "choose", "convert", "data", "demo", "doctor", "eval", "export", "features", "info", "list", "neighbours",
    "predict", "quantize", "reparam", "report", "study", "train", "verify", "verify-bundle",
]  # fmt: skip


def test_commands_are_those_that_the_readme_names():
    assert sorted(name for name in app if not name.startswith("-")) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_a_runnable_example(capsys, command):
    out = run(capsys, command, "--help").out
    assert f"underone {command} " in out.split("Usage:")[1].split("\n", 1)[1]


def test_version(capsys):
    assert run(capsys, "--version").out.strip() == uo.__version__


def test_list_shows_published_figures(capsys):
    out = run(capsys, "list", "mobileone*").out
    assert "mobileone_s4" in out
    assert "14.84" in out
    assert "mobilenet" not in out
    assert [m["name"] for m in json.loads(run(capsys, "list", "mobileone_s[01]", "--json").out)] == [
        "mobileone_s0",
        "mobileone_s1",
    ]


def test_info_of_a_name_and_of_a_file(capsys, folder):
    assert "params: 2,078,504" in run(capsys, "info", "mobileone_s0").out
    facts = json.loads(run(capsys, "info", folder / "net.onnx", "--json").out)
    assert facts["form"] == "folded"
    assert facts["weights"] == "random"
    assert facts["verdict"].startswith("export passed")
    assert run(capsys, "list", "zz*", code=1).out.startswith("no network of that name")


def test_reparam_writes_the_folded_weights_with_a_certificate(capsys, folder, tmp_path):
    out = run(capsys, "reparam", folder / "weights.pth", "-o", tmp_path / "folded.safetensors", "--json").out
    assert json.loads(out)["passed"] is True
    folded = uo.create_model("mobilenet_v2_035", weights=tmp_path / "folded.safetensors")
    assert folded.spec.form == "folded"
    assert "form: folded" in run(capsys, "info", tmp_path / "folded.safetensors").out


def test_export_of_a_checkpoint_runs(capsys, folder, tmp_path):
    out = run(capsys, "export", folder / "weights.pth", "-o", tmp_path / "a.onnx").out
    assert "passed" in out
    assert "FAILED" not in out
    half = run(capsys, "export", tmp_path / "a.onnx", "-o", tmp_path / "half.onnx", "--dtype", "float16").out
    assert "passed" in half
    assert (tmp_path / "half.onnx").stat().st_size < 0.6 * (tmp_path / "a.onnx").stat().st_size


def test_export_with_small_weights_says_so(capsys, folder, tmp_path):
    pytest.importorskip("ai_edge_litert")
    out = run(capsys, "export", folder / "net.onnx", "-o", tmp_path / "a.tflite", "--weights", "int8").out
    assert "  weights: int8" in out
    err = run(capsys, "export", folder / "net.onnx", "-o", tmp_path / "b.tflite", "--target", "iOS17", code=1).err
    assert "target='iOS17': LiteRT has no targets; Core ML has" in err


def test_export_to_an_unknown_format_is_one_line(capsys, folder, tmp_path):
    err = run(capsys, "export", folder / "weights.pth", "-o", tmp_path / "a.caffe", code=1).err
    assert err.startswith("error: unknown format '.caffe'.")
    assert err.count("\n") == 1


@pytest.mark.filterwarnings("default:.*in training form:UserWarning")
def test_verify_tells_same_from_different(capsys, folder, tmp_path):
    done = run(capsys, "export", folder / "weights.pth", "-o", tmp_path / "same.onnx", "--form", "training")
    assert "in training form" in done.err
    assert "passed" in run(capsys, "verify", tmp_path / "same.onnx", "--against", folder / "net.onnx").out
    torch.manual_seed(1)
    uo.export(uo.reparameterize(uo.create_model("mobilenet_v2_035", num_classes=9)), tmp_path / "other.onnx")
    out = run(capsys, "verify", tmp_path / "other.onnx", "--against", folder / "net.onnx", "--json", code=1).out
    assert json.loads(out)["passed"] is False


def test_convert_shows_every_tensor(capsys, folder, tmp_path):
    shown = json.loads(run(capsys, "convert", folder / "weights.pth", "-o", tmp_path / "c.safetensors", "--json").out)
    assert shown["layout"] == "underone"
    assert len(shown["rows"]) == len(torch.load(folder / "weights.pth", weights_only=True))
    assert "backbone.stem.conv.weight" in run(
        capsys, "convert", folder / "weights.pth", "-o", tmp_path / "c.onnx", "--to", "mobilenet_v2_035"
    ).out  # fmt: skip
    assert uo.load(tmp_path / "c.onnx").spec.form == "folded"


def test_convert_of_a_foreign_file_shows_both_names_and_what_was_left_out(capsys, tmp_path):
    source = fetch_or_skip("emotion_h5")
    out = " ".join(run(capsys, "convert", source, "-o", tmp_path / "emotion.onnx").out.split())
    assert f"(Keras): {source.stem}, taken over as a graph" in out
    assert "note: the state of the optimizer (optimizer_weights) is left out" in out
    assert "note: into no network of the zoo" in out
    assert "preparation: color: GRAY resize: cover" in out
    assert "export: emotion.onnx" in out
    shown = run(capsys, "predict", "--model", tmp_path / "emotion.onnx", photographs_folder(tmp_path), "--top", 2).out
    assert shown.count("%") == 2  # works at once


@pytest.mark.parametrize(("name", "kind"), [("w.pth", "PyTorch"), ("w.pb", "TensorFlow frozen graph")])
def test_info_on_a_file_of_others_says_convert_it_first(capsys, tmp_path, name, kind):
    (tmp_path / name).write_bytes(bytes(100))
    err = run(capsys, "info", tmp_path / name, code=1).err
    assert f"{name} is a file of {kind}; convert it first: underone convert " in err
    assert f"{name} -o w.onnx" in err


def test_predict_with_a_network_without_a_task_names_the_option(capsys, folder, tmp_path):
    nodes = [helper.make_node("GlobalAveragePool", ["image"], ["pooled"])]
    image, pooled = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, *s])
        for n, s in (("image", (32, 32)), ("pooled", (1, 1)))
    )
    graph = helper.make_graph(nodes, "g", [image], [pooled])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "net.onnx"
    )
    err = run(capsys, "predict", folder / "photos", "--model", tmp_path / "net.onnx", code=1).err
    assert "with --labels FILE on the command line" in err
    assert err.count("\n") == 1


def test_convert_cuts_a_network_at_named_tensors(capsys, tmp_path):
    source = fetch_or_skip("emotion_h5")
    err = run(capsys, "convert", source, "-o", tmp_path / "a.onnx", "--outputs", "nothing", code=1).err
    assert "'nothing'" in err
    assert err.count("\n") == 1


def fetch_or_skip(name):
    try:
        return fetch(REAL_FILES[name])
    except FetchFailed as error:
        pytest.skip(str(error))


def photographs_folder(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(photographs()[0].content)
    return tmp_path / "photo.jpg"


def test_predict_answers_each_picture_and_saves_drawings(capsys, folder, tmp_path):
    save = tmp_path / "drawn"
    out = run(capsys, "predict", folder / "photos", "--model", folder / "net.onnx", "--top", 3, "--save", save).out
    assert "6 of 6 pictures answered" in out
    assert out.count("%  class ") == 18
    assert len(list(save.glob("*.jpg"))) == 6


def test_predict_on_two_threads_says_the_same_of_each_picture(capsys, folder, tmp_path):
    shutil.copytree(folder / "photos", tmp_path / "photos")
    (tmp_path / "photos" / "c.jpg").write_bytes(b"no picture")
    told = []
    for threads in (1, 2):
        options = ["--model", folder / "net.onnx", "--json", "--reduced", "--threads", threads]
        got = run(capsys, "predict", tmp_path / "photos", *options, code=1)
        answers = [json.loads(line) for line in got.out.splitlines()]
        told.append([{k: v for k, v in one.items() if k != "speed_ms"} for one in answers])
        assert "c.jpg" in got.err
    assert told[0] == told[1]
    assert len(told[0]) == 6


def test_drawings_of_equal_names_do_not_overwrite_each_other(capsys, folder, tmp_path):
    for name in ("a/x.jpg", "b/x.jpg", "b/x.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(folder / "photos/goldfish.jpg").save(tmp_path / "in" / name)
    run(capsys, "predict", tmp_path / "in", "--model", folder / "net.onnx", "--save", tmp_path / "out")
    drawn = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.jpg"))
    assert drawn == ["a/x.jpg", "b/x.jpg", "b/x.png.jpg"]


def test_one_file_for_many_drawings_is_refused_before_anything_runs(capsys, folder, tmp_path):
    got = run(
        capsys, "predict", folder / "photos", "--model", folder / "net.onnx", "--save", tmp_path / "o.jpg", code=1
    )  # fmt: skip
    assert "o.jpg is one file, there are 6 pictures; name a folder" in got.err
    assert not got.out
    assert not (tmp_path / "o.jpg").exists()


def test_picture_of_an_impossible_shape_is_counted_not_fatal(capsys, folder, tmp_path):
    shutil.copytree(folder / "photos", tmp_path / "photos")
    Image.new("RGB", (20000, 2)).save(tmp_path / "photos/flat.png")
    got = run(capsys, "predict", tmp_path / "photos", "--model", folder / "net.onnx", code=1)
    assert "6 of 7 pictures answered" in got.out
    assert "flat.png" in got.err


def test_ctrl_c_is_one_line_and_its_own_code(capsys, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("underone.zoo.list_models", interrupted)
    assert run(capsys, "list", code=130).err == "error: interrupted; nothing was left half written\n"


@pytest.mark.parametrize("command", ["demo", "export mobileone_s0 -o a.onnx", "reparam mobileone_s0 -o a.safetensors"])
def test_missing_torch_is_the_command_that_installs_it(command):
    code = f"import sys; sys.modules['torch'] = None\nfrom underone.cli import main\nmain({command.split()!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs the package torch; install it with: pip install 'underone[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_with_spaces_and_folders_that_cannot_be_made(capsys, folder, tmp_path):
    (tmp_path / "my net ü.onnx").write_bytes((folder / "net.onnx").read_bytes())
    run(capsys, "predict", folder / "photos/koala.jpg", "--model", tmp_path / "my net ü.onnx")
    (tmp_path / "file").write_text("")
    for option in (["bench", folder / "net.onnx", "-o"], ["demo", "-o"]):
        assert "cannot be made" in run(capsys, *option, tmp_path / "file/folder", code=1).err


def test_predict_json_is_one_object_a_line(capsys, folder):
    pattern = folder / "photos" / "*a*.jpg"
    lines = run(capsys, "predict", pattern, "--model", folder / "net.onnx", "--json").out.splitlines()
    assert len(lines) > 1
    assert all(len(json.loads(line)["top"]) == 5 for line in lines)


def test_broken_picture_is_reported_and_counted_not_fatal(capsys, folder, tmp_path):
    shutil.copytree(folder / "photos", tmp_path / "photos")
    (tmp_path / "photos/broken.jpg").write_bytes((tmp_path / "photos/koala.jpg").read_bytes()[:500])
    got = run(capsys, "predict", tmp_path / "photos", "--model", folder / "net.onnx", code=1)
    assert "6 of 7 pictures answered" in got.out
    assert "broken.jpg" in got.err
    assert got.err.count("error:") == 1


def test_bench_prints_ratios_and_writes_records(capsys, folder, tmp_path):
    arguments = ("--backends", "onnxruntime,openvino", "--runs", 20, "--seconds", 1, "--processes", 2)
    run(capsys, "bench", folder / "net.onnx", *arguments, "-o", tmp_path / "records")
    files = sorted((tmp_path / "records").glob("*.json"))
    assert len(files) == 2
    record = json.loads(files[0].read_text())
    assert len(record["samples_ms"]) == sum(record["round_sizes"]) >= 12
    assert record["protocol"]["processes"] == 2
    assert record["outputs"]["passed"] is True


@pytest.fixture(scope="module")
def open_net(folder):
    """A foreign classifier of any size, without a spec: named by its file."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(0, 0.2, (16, 3, 3, 3)), "fc": rng.normal(0, 0.2, (4, 16)), "b": np.zeros(4)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "fc", "b"], ["y"], transB=1),
    ]
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w0"])]
    outs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])]
    weights = [numpy_helper.from_array(a.astype(np.float32), n) for n, a in arrays.items()]
    graph = helper.make_graph(nodes, "main_graph", ends, outs, weights)
    path = folder / "found_somewhere.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    return path


def test_bench_states_the_figures_of_published_protocols(capsys, folder):
    quick = ("--backends", "native", "--runs", "20", "--seconds", "1", "--processes", "1")
    table = run(capsys, "bench", folder / "net.onnx", *quick, "--figures", "xcode,paper").out
    assert "xcode" in table
    assert "20 calls: too few or short" in table
    refused = run(capsys, "bench", folder / "net.onnx", *quick, "--figures", "papper", code=1).err
    assert "unknown protocol 'papper'. Did you mean 'paper'?" in refused


def test_bench_of_half_an_hour_has_rounds_for_its_last_quarter(capsys, folder, monkeypatch):
    asked = []
    monkeypatch.setattr("underone.cli.measure.compare_engines", lambda cases, **how: asked.append(how["rounds"]) or [])
    for figures in ("xcode", "xcode,sustained"):
        run(capsys, "bench", folder / "net.onnx", "--figures", figures, "--json")
    assert asked == [12, 60]


def test_bench_in_two_precisions_and_another_size_names_a_foreign_file_by_its_stem(capsys, open_net):
    options = ("--backends", "native", "--precision", "float32,bfloat16", "--size", 96)
    quick = ("--runs", 12, "--seconds", 0.2, "--processes", 1, "--json")
    records = json.loads(run(capsys, "bench", open_net, *options, *quick).out)
    assert [(r["model"], r["precision"]) for r in records] == [
        ("found_somewhere", "float32"),
        ("found_somewhere", "bfloat16"),
    ]
    assert all(r["protocol"]["size"] == [96, 96] and r["error"] is None for r in records)


def test_bench_of_all_engines_leaves_out_those_without_the_precision(capsys, open_net):
    quick = ("--runs", 12, "--seconds", 0.2, "--processes", 1, "--json")
    records = json.loads(run(capsys, "bench", open_net, "--precision", "bfloat16", *quick).out)
    assert {"native"} <= {r["engine"] for r in records} <= {"native", "openvino"}


def test_profile_is_a_table_a_document_and_a_plot(capsys, folder, open_net, tmp_path):
    table = run(capsys, "bench", folder / "net.onnx", "--profile", "-o", tmp_path / "layers.png").out
    assert table.splitlines()[0].startswith("mobilenet_v2_035 on native, 1 thread, float32")
    assert "of ceiling" in table
    with Image.open(tmp_path / "layers.png") as plot:
        assert plot.width > 1000
        assert np.asarray(plot.convert("L")).std() > 10
    options = ("--profile", "--precision", "float32,bfloat16", "--size", 64, "--json", "-o", tmp_path / "plots")
    found = json.loads(run(capsys, "bench", open_net, *options).out)
    assert [len(p["layers"]) > 1 and p["of_ceiling"] > 0 for p in found] == [True, True]
    assert sum(layer["share"] for layer in found[0]["layers"]) == pytest.approx(1)
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == [
        "found_somewhere-bfloat16-1t.png",
        "found_somewhere-float32-1t.png",
    ]


def test_predict_names_the_classes_of_a_foreign_file(capsys, open_net, tmp_path):
    (tmp_path / "labels.txt").write_text("one\ntwo\nthree\nfour\n")
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(photographs()[0].content)
    options = ("--labels", tmp_path / "labels.txt", "--size", 160, "--top", 4, "--json")
    answer = json.loads(run(capsys, "predict", photo, "--model", open_net, *options).out)
    assert {label["name"] for label in answer["top"]} == {"one", "two", "three", "four"}
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    got = run(capsys, "predict", photo, "--model", open_net, *options, code=1)
    assert "labels.txt holds 2 names; 'found_somewhere' has an output of (4,)" in got.err
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\xff")
    got = run(capsys, "predict", photo, "--model", open_net, *options, code=1)
    assert "labels.txt cannot be read as labels" in got.err


def test_what_a_profile_cannot_be_written_to_is_said(capsys, folder, tmp_path):
    two = ("bench", folder / "net.onnx", "--profile", "--precision", "float32,bfloat16", "-o", tmp_path / "a.png")
    assert "a.png is one file, there are 2 profiles; name a folder" in run(capsys, *two, code=1).err
    wrong = ("bench", folder / "net.onnx", "--profile", "-o", tmp_path / "a.gif")
    assert "a.gif: a plot is written as .png, .svg or .pdf" in run(capsys, *wrong, code=1).err


WRONG = {
    "unknown precision": (["bench", "NET", "--precision", "float23"], 1, "Did you mean 'float32'?"),
    "size of a fixed network": (["bench", "NET", "--profile", "--size", "96"], 1, "leave it out"),
    "unknown command": (["nonsense"], 2, 'Unknown command "nonsense"'),
    "unknown option": (["list", "--jsno"], 2, "--jsno"),
    "missing option": (["predict", "a.jpg"], 2, "--model"),
    "wrong type": (["predict", "a.jpg", "--model", "m.onnx", "--top", "many"], 2, "many"),
    "unknown model": (["info", "mobileone_s9"], 1, "Did you mean 'mobileone_s4'?"),
    "no such file": (["predict", "a.jpg", "--model", "gone.onnx"], 1, "gone.onnx"),
    "unknown backend": (
        ["predict", "a.jpg", "--model", "NET", "--backend", "onnxruntme"],
        1,
        "Did you mean 'onnxruntime'?",
    ),
    "no such picture": (["predict", "gone/*.jpg", "--model", "NET"], 1, "gone/*.jpg: no picture there"),
    "wrong threads": (["bench", "NET", "--threads", "two"], 1, "--threads two; whole numbers from 1 up"),
    "bench of nothing": (["bench", "gone.onnx"], 1, "gone.onnx: no such file"),
    "text as model": (["predict", "a.jpg", "--model", "TEXT"], 1, "is no ONNX file"),
    "weights that are gone": (["info", "gone.safetensors"], 1, "gone.safetensors"),
    "branches without a page": (
        ["quantize", "NET", "--data", ".", "-o", "q.onnx", "--trained", "w.safetensors"],
        1,
        "--trained w.safetensors names branches on the doctor's page; give --report FOLDER as well",
    ),
    "name to quantise": (
        ["quantize", "mobileone_s0", "--data", ".", "-o", "q.onnx"],
        1,
        "export(create_model('mobileone_s0'), path)",
    ),
    "features of another kind": (["features", "PHOTO", "--model", "NET", "-o", "f.txt"], 1, "unknown format '.txt'"),
    "no such index": (
        ["neighbours", "PHOTO", "--index", "gone.npz", "--model", "NET"],
        1,
        "gone.npz cannot be read as features: No such file or directory",
    ),
    "top of none": (["predict", "PHOTO", "--model", "NET", "--top", "0"], 1, "1 to 9 is required"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_line_with_the_right_code(capsys, folder, tmp_path, case):
    arguments, code, text = WRONG[case]
    (tmp_path / "text.onnx").write_text("hello")
    files = {"NET": folder / "net.onnx", "TEXT": tmp_path / "text.onnx", "PHOTO": folder / "photos/koala.jpg"}
    err = run(capsys, *(files.get(a, a) for a in arguments), code=code).err
    assert text in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
