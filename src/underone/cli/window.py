"""A window that shows pictures as they come, by the tkinter that belongs to Python."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..errors import BadValue, Unsupported

if TYPE_CHECKING:
    from PIL import Image


class Window:
    """A window for pictures, one after another; it is closed by its own button, by Escape or by q.

    Args:
        title: of the window.

    Raises:
        Unsupported: this Python was built without tkinter.
        BadValue: there is no display.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise Unsupported(
                "--show needs tkinter, which this Python was built without (on Debian: apt install python3-tk); "
                "or write the answers with --save FILE"
            ) from error
        try:
            self._root = tkinter.Tk(className=title)
        except tkinter.TclError as error:
            raise BadValue(f"--show: {error}; write the answers with --save FILE where no display is") from error
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._shown: Any = None  # Tk draws from it as long as it lives
        self._open = True
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        for key in ("<Escape>", "q"):
            self._root.bind(key, self._close)

    def show(self, picture: "Image.Image") -> bool:
        """Show a picture in place of the last one; return whether the window is still open."""
        from PIL import ImageTk

        self._shown = ImageTk.PhotoImage(picture, master=self._root)
        self._label.configure(image=self._shown)
        self._root.update()
        return self._open

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown = None
        self._root.destroy()

    def _close(self, *_: object) -> None:
        self._open = False
