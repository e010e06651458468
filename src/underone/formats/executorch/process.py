"""The worker as a process: started, asked, ended."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ...errors import Unsupported
from .environment import executorch_python


@dataclass(frozen=True)
class Worker:
    """A process, with what it reads, its answers, and a file of what it says beside them."""

    process: "subprocess.Popen[str]"
    questions: IO[str]
    answers: IO[str]
    said: IO[str]

    def ask(self, line: str, what: str) -> str:
        """Give the answer to a line; `what` failed where there is none.

        Raises:
            Unsupported: the worker has ended; its last words are told.
        """
        with suppress(BrokenPipeError):  # it has ended: then there is no answer either
            self.questions.write(f"{line}\n")
            self.questions.flush()
        answer = self.answers.readline().strip()
        if not answer:
            raise self._failure(what)
        return answer

    def finish(self, what: str) -> None:
        """Wait until it ends by itself; `what` failed where it does not end well.

        Raises:
            Unsupported: it failed; its last words are told.
        """
        if self.process.wait():
            raise self._failure(what)

    def _failure(self, what: str) -> Unsupported:
        self.process.wait()
        self.said.seek(0)
        lines = [line.strip() for line in self.said if line.strip()]
        return Unsupported(f"{what}: {lines[-1] if lines else 'the worker ended without a word'}")


@contextmanager
def worker(*arguments: str | Path) -> Iterator[Worker]:
    """Start the worker; end it afterwards.

    Raises:
        MissingExtra, BadValue: as `executorch_python`.
        Unsupported: that program cannot be started.
    """
    command = [executorch_python(), "-P", "-m", f"{__package__}.worker", *map(str, arguments)]
    with tempfile.TemporaryFile("w+", errors="replace") as said, _started(command, said) as process:
        try:
            if process.stdin and process.stdout:  # both are pipes
                yield Worker(process, process.stdin, process.stdout, said)
        finally:
            process.kill()
            if process.stdin:
                with suppress(BrokenPipeError):  # a line that nobody read is still in it
                    process.stdin.close()


def _started(command: list[str], said: IO[str]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said, text=True)
    except OSError as error:
        raise Unsupported(f"{command[0]} cannot be started: {error.strerror}") from error
