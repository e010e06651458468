"""`underone predict` on a video, as a user types it."""

import json
from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest
import torch

import underone as uo
from underone.cli.video import names_video
from underone.image import Planes
from underone.nn.statistics import randomize_statistics

av = pytest.importorskip("av", reason="pip install 'underone[video]'")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector of random weights with labels."""
    torch.manual_seed(0)
    network = uo.create_model("ssdlite320_mobilenet_v2_035", num_classes=3, size=96, labels=("cat", "dog", "owl"))
    randomize_statistics(network, torch.randn(2, 3, 96, 96))
    return uo.export(uo.reparameterize(network), tmp_path_factory.mktemp("model") / "d.onnx")


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def frames_of(path):
    with av.open(str(path)) as file:
        return [(frame.time, frame.width, frame.height) for frame in file.decode(video=0)]


def test_a_video_is_answered_drawn_and_summed_up(run, model, clip, tmp_path):
    out = tmp_path / "out.mp4"
    code, said = run("predict", clip, "--model", model, "--save", out, "--top", "3", "--threshold", "0")
    assert code == 0
    assert "20 frames of" in said.out
    assert "0 dropped" in said.out
    assert str(out) in said.out.replace("\n", "")
    assert all(stage in said.out for stage in ("read", "queue", "prepare", "run", "decode", "draw"))
    drawn = frames_of(out)
    assert [round(t, 3) for t, _, _ in drawn] == [i / 10 for i in range(20)]
    assert {(w, h) for _, w, h in drawn} == {(640, 480)}  # small pictures are enlarged so that the text can be read


def test_an_engine_sees_the_planes_as_it_sees_their_picture(model, clip):
    with uo.load(model) as net:
        for seen in uo.stream(clip, net, threshold=0.0):
            assert isinstance(seen.answer.picture, Planes)
            wanted = net.detect(seen.frame.picture, threshold=0.0)
            np.testing.assert_array_equal(seen.answer.boxes, wanted.boxes)
            np.testing.assert_array_equal(seen.answer.draw(), wanted.draw())


def test_with_json_each_frame_is_a_line_and_objects_are_numbered(run, model, clip):
    code, said = run("predict", clip, "--model", model, "--json", "--top", "2", "--threshold", "0")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert code == 0
    assert [line["frame"] for line in lines] == list(range(20))
    assert lines[3]["time"] == pytest.approx(0.3)
    assert all(found["number"] >= 1 for line in lines for found in line["objects"])


def test_what_was_drawn_before_the_video_broke_off_is_kept(run, model, clip, tmp_path):
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    out = tmp_path / "out.mp4"
    code, said = run("predict", clip, "--model", model, "--save", out)
    assert code == 1
    assert "is cut short" in said.err
    assert 3 < len(frames_of(out)) < 20


def test_a_policy_without_a_video_is_refused(run, model, picture):
    code, said = run("predict", picture, "--model", model, "--policy", "latest")
    assert code == 1
    assert "--policy latest is for one video" in said.err


@pytest.mark.parametrize("name", ["a.mp4", "B.MOV", "camera:0", "rtsp://10.0.0.7/live", "https://a.test/live#owl.jpg"])
def test_videos_are_known_by_their_names(name):
    assert names_video(name)


@pytest.mark.parametrize(
    "name", ["a.png", "mp4", "photos", "https://example.com/owl.JPG?size=3", "https://a.test/owl.jpg#a"]
)
def test_pictures_and_folders_are_no_videos(name):
    assert not names_video(name)


def test_a_window_shows_the_answers_until_it_is_closed(run, model, clip, tmp_path, monkeypatch):
    shown, out = [], tmp_path / "out.mp4"

    class Closing(nullcontext):
        def __enter__(self):
            return self

        def show(self, picture):
            shown.append(picture.size)
            return len(shown) < 5

    monkeypatch.setattr("underone.cli.video.Window", Closing)
    code, said = run("predict", clip, "--model", model, "--show", "--save", out)
    assert (code, shown) == (0, [(640, 480)] * 5)
    assert "5 frames of" in said.out
    assert len(frames_of(out)) == 5


def test_a_window_for_pictures_is_refused(run, model, picture):
    code, said = run("predict", picture, "--model", model, "--show")
    assert code == 1
    assert "--show is for one video" in said.err.replace("\n", " ")
