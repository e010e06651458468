"""The window of `predict --show`, on a stand-in for the display: tests have none."""

import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from underone.cli.window import Window
from underone.errors import BadValue, Unsupported


@pytest.fixture
def screen(monkeypatch):
    """Put a tkinter in place of Python's that notes what it is told."""
    noted = SimpleNamespace(bound={}, images=[], updates=0, destroyed=False)

    class Root:
        def __init__(self, **_):
            self.protocol = self.bind = noted.bound.__setitem__

        def update(self):
            noted.updates += 1

        def destroy(self):
            noted.destroyed = True

    class Label:
        def __init__(self, *_, **__):
            self.pack = lambda: None

        def configure(self, image):
            noted.images.append(image)

    tkinter = SimpleNamespace(Tk=Root, Label=Label, TclError=RuntimeError)
    monkeypatch.setitem(sys.modules, "tkinter", tkinter)
    monkeypatch.setitem(sys.modules, "PIL.ImageTk", SimpleNamespace(PhotoImage=lambda picture, master: picture.size))
    return noted


@pytest.mark.parametrize("closing", ["WM_DELETE_WINDOW", "<Escape>", "q"])
def test_pictures_are_shown_until_somebody_closes_it(screen, closing):
    with Window("clip.mp4") as window:
        assert window.show(Image.new("RGB", (20, 10)))
        assert window.show(Image.new("RGB", (30, 10)))
        screen.bound[closing]()
        assert not window.show(Image.new("RGB", (20, 10)))
    assert screen.images == [(20, 10), (30, 10), (20, 10)]
    assert (screen.updates, screen.destroyed) == (3, True)


def test_without_a_display_it_says_so(monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    if sys.platform != "linux":
        pytest.skip("only X11 can be without a display")
    with pytest.raises(BadValue, match=r"--show: no display name .*; write the answers with --save FILE where no disp"):
        Window("clip.mp4")


def test_without_tkinter_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(Unsupported, match="--show needs tkinter, which this Python was built without"):
        Window("clip.mp4")
