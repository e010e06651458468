"""Frames of whole and of broken files."""

import re
import sys

import numpy as np
import pytest

from underone.errors import BadFile, BadValue, MissingExtra
from underone.video import VideoSource

STEADY = range(0, 1200, 40)  # ms: 30 frames


def test_frames_come_whole_in_order_with_their_times(clips):
    source = VideoSource(str(clips.write("a.mp4", STEADY)))
    frames = list(source)
    assert [f.index for f in frames] == list(range(30))
    assert [clips.number(f.picture) for f in frames] == list(range(30))
    np.testing.assert_allclose([f.time for f in frames], np.arange(30) * 0.04, atol=1e-3)
    assert frames[7].picture.shape == (64, 96, 3)
    assert frames[7].picture.dtype == np.uint8
    assert np.abs(frames[7].picture[28:36, 32:40].astype(int) - (200, 180, 40)).max() < 12  # H.264 loses a little
    assert source.rate == 25
    assert not source.live


def test_a_variable_rate_keeps_every_frames_own_time(clips):
    times = [0, 40, 200, 210, 900]
    frames = list(VideoSource(str(clips.write("v.mkv", times))))
    np.testing.assert_allclose([f.time for f in frames], np.array(times) / 1000, atol=1e-3)


def test_a_size_that_changes_in_the_middle_changes_the_pictures(clips):
    parts = [clips.write(f"{side}.ts", STEADY, (side, 64)).read_bytes() for side in (96, 128)]
    path = clips.folder / "both.ts"
    path.write_bytes(b"".join(parts))
    assert {f.picture.shape for f in VideoSource(str(path))} == {(64, 96, 3), (64, 128, 3)}


def test_a_file_that_was_cut_short_gives_its_good_frames_and_then_says_so(clips):
    path = clips.write("cut.mp4", range(0, 4000, 40), options={"movflags": "faststart"})  # its index comes first
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    numbers = []

    def note_all():
        for frame in VideoSource(str(path)):
            numbers.append(clips.number(frame.picture))

    with pytest.raises(BadFile, match=r"cut\.mp4 is cut short: \d+ of its 100 frames are there"):
        note_all()
    assert numbers == [i % 50 for i in range(len(numbers))]
    assert 40 < len(numbers) < 90


def test_a_file_cut_before_its_index_cannot_be_opened(clips):
    path = clips.write("cut.mp4", STEADY)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadFile, match=r"cut\.mp4 cannot be opened as a video: "):
        VideoSource(str(path))


def test_packets_that_are_damaged_are_counted_and_the_rest_is_read(clips):
    path = clips.write("d.mp4", range(0, 4000, 40))
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + len(content) // 4
    content[start : start + 900] = bytes(900)
    path.write_bytes(content)
    source = VideoSource(str(path))
    frames = list(source)
    assert source.damaged > 0
    assert 50 < len(frames) <= 100 - source.damaged
    assert clips.number(frames[-1].picture) == 49  # the hundredth


def test_sound_alone_is_no_video(clips):
    import av

    path = clips.folder / "s.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.rate = 16000
        file.mux(stream.encode(sound))
        file.mux(stream.encode(None))
    with pytest.raises(BadFile, match=r"s\.mp4 has no pictures, it holds audio alone; pass a video"):
        VideoSource(str(path))


def test_what_is_no_video_is_one_line(clips):
    (clips.folder / "n.mp4").write_bytes(b"no video at all" * 99)
    for name in ("n.mp4", "missing.mp4"):
        with pytest.raises(BadFile, match=rf"{name} cannot be opened as a video: [^\n]+$"):
            VideoSource(str(clips.folder / name))


def test_a_camera_that_is_not_there_is_one_line():
    with pytest.raises(BadFile, match="camera:97 cannot be opened as a video"):
        VideoSource("camera:97")


def test_a_system_without_a_reader_for_cameras_says_so(monkeypatch):
    monkeypatch.setattr(sys, "platform", "plan9")
    with pytest.raises(BadValue, match="camera:0: no reader for cameras is known on plan9; pass a file or an address"):
        VideoSource("camera:0")


def test_without_pyav_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'underone[video]'")):
        VideoSource("clip.mp4")


def test_a_file_whose_pictures_are_all_damaged_is_one_line(clips):
    path = clips.write("d.mkv", STEADY)
    content = bytearray(path.read_bytes())
    start = content.index(b"\x1f\x43\xb6\x75")  # the first cluster of Matroska: pictures from here on
    content[start + 40 :] = bytes(len(content) - start - 40)
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"d\.mkv: not one frame could be decoded"):
        list(VideoSource(str(path)))


def test_a_source_gives_its_file_back(clips):
    path = clips.write("b.mp4", STEADY)
    with VideoSource(str(path)) as source:
        assert next(iter(source)).index == 0
    with pytest.raises(BadValue, match=r"b\.mp4 was closed; open it again"):
        next(iter(source))


def test_a_clip_trimmed_without_encoding_anew_is_whole(clips):
    import av

    whole, path = clips.write("w.mp4", range(0, 2000, 40)), clips.folder / "t.mp4"
    with av.open(str(whole)) as given, av.open(str(path), "w") as taken:
        stream = taken.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                earlier = round(0.2 / packet.time_base)  # the first five frames come before the clip's beginning
                packet.pts, packet.dts = packet.pts - earlier, packet.dts - earlier
                packet.stream = stream
                taken.mux(packet)
    source = VideoSource(str(path))
    frames = list(source)
    assert len(frames) < 50
    assert clips.number(frames[-1].picture) == 49


def test_an_error_of_the_decoder_is_one_line(clips, monkeypatch):
    import av

    source = VideoSource(str(clips.write("e.mp4", STEADY)))

    class Packet:
        is_discard = False

        def decode(self):
            raise av.error.ExternalError(1, "broken")

    monkeypatch.setattr(source, "_container", type("Container", (), {"demux": lambda self, stream: iter([Packet()])})())
    with pytest.raises(BadFile, match=r"e\.mp4 cannot be decoded: "):
        list(source)
