"""The text format of protocol buffers, as far as networks are written in it.

Source: protobuf.dev/reference/protobuf/textformat-spec.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ...errors import BadFile
from ..bounded import open_file
from .fields import Fields, Value

_LONGEST = 1 << 20  # bytes; networks of 200 layers have 100,000
_DEEPEST = 16
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r,;]+|\#[^\n]*)|(?P<line>\n)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[fF]?(?![\w.]))
    |(?P<name>-?[A-Za-z_][\w.]*)
    |(?P<mark>[:{}<>\[\]])""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}

Token = tuple[str, str, int]  # kind, text, line


def read_prototxt(path: Path) -> Fields:
    """Read a network in text form.

    Raises:
        BadFile: the file is too long, no text, or not in this format; the line is named.
    """
    data = bytes(open_file(path, _LONGEST).data)
    try:
        return parse_prototxt(data.decode(), str(path))
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}, byte {error.start}: a text that is not UTF-8") from error


def parse_prototxt(source: str, where: str) -> Fields:
    """Parse a message in text form; messages inside are read without recursion.

    Raises:
        BadFile: it is not in this format; the line is named.
    """
    tokens = _Tokens(source, where)
    root = Fields(where)
    stack = [(root, "")]
    while True:
        kind, text, line = tokens.take()
        fields, closing = stack[-1]
        if kind == "end" and len(stack) == 1:
            return root
        if kind == "mark" and text == closing:
            stack.pop()
        elif kind == "name":
            opened = tokens.field(fields, text)
            if opened is not None:
                stack.append(opened)
        else:
            raise tokens.bad(line, f"{text or 'the end of the file'!r} where a name of a field is required")
        if len(stack) > _DEEPEST:
            raise tokens.bad(line, f"messages inside messages, more than {_DEEPEST} deep")


class _Tokens:
    def __init__(self, source: str, where: str) -> None:
        self.where = where
        self.stream = self._scan(source)
        self.ahead: Token | None = None

    def _scan(self, source: str) -> Iterator[Token]:
        at, line = 0, 1
        while at < len(source):
            found = _TOKEN.match(source, at)
            if found is None:
                raise self.bad(line, f"{source[at : at + 10]!r} is not in the text format")
            at = found.end()
            if found.lastgroup == "line":
                line += 1
            elif found.lastgroup != "space":
                yield str(found.lastgroup), found.group(), line
        while True:
            yield "end", "", line

    def bad(self, line: int, what: str) -> BadFile:
        return BadFile(f"{self.where}, line {line}: {what}")

    def take(self) -> Token:
        token, self.ahead = self.ahead or next(self.stream), None
        return token

    def peek(self) -> Token:
        self.ahead = self.ahead or next(self.stream)
        return self.ahead

    def field(self, fields: Fields, name: str) -> tuple[Fields, str] | None:
        """Read what follows a name: values, or the opening of a message, given with what will close it."""
        colon = self.peek()[1] == ":"
        if colon:
            self.take()
        kind, text, line = self.take()
        if kind == "mark" and text in _CLOSING:
            inner = Fields(f"{self.where}, line {line}: {name}")
            fields.add(name, inner)
            return inner, _CLOSING[text]
        if not colon:
            raise self.bad(line, f"{text or 'the end of the file'!r} behind {name!r}; a colon or a brace is required")
        if text == "[" and kind == "mark":
            while self.peek()[1] != "]":
                fields.add(name, self.value(self.take()))
            self.take()
        else:
            fields.add(name, self.value((kind, text, line)))
        return None

    def value(self, token: Token) -> Value:
        kind, text, line = token
        if kind == "text":
            parts = [text]
            while self.peek()[0] == "text":
                parts.append(self.take()[1])
            return "".join(re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), p[1:-1]) for p in parts)
        if kind == "name":
            return text
        if kind != "number":
            raise self.bad(line, f"{text or 'the end of the file'!r} where a value is required")
        if text[:2].lower() == "0x":
            return int(text, 16)
        plain = text.rstrip("fF")
        return int(plain) if re.fullmatch(r"[-+]?\d{1,18}", plain) else float(plain)
