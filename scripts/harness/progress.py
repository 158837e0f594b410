# SPDX-License-Identifier: GPL-2.0
"""Runs long steps: shows the elapsed time, and the end of the log if they fail."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

# Locks that commands must inherit: if we are killed and a command is not, it still writes
# to what the lock protects.
held: set[int] = set()


class StepFailed(Exception):
    """A step has failed. The message is complete, and printed without a traceback."""


def clock(seconds: float) -> str:
    return f"[{int(seconds) // 60:3d}:{int(seconds) % 60:02d}]"


def tail(path: Path, lines: int = 25) -> str:
    text = path.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join("    " + line for line in text)


class Step:
    """A line that shows the current step and its elapsed time."""

    def __init__(self, message: str):
        self.message = message
        self.start = time.monotonic()
        self.tty = sys.stdout.isatty()
        self.shown = 0.0
        if not self.tty:
            return
        self.update()

    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def update(self, detail: str = "") -> None:
        # Prints a line each half minute to a log file, or the current state to a terminal.
        if self.tty:
            line = f"{clock(self.elapsed())} {self.message} {detail}"[:100]
            print(f"\r\x1b[K{line}", end="", flush=True)
        elif self.elapsed() - self.shown >= 30:
            self.shown = self.elapsed()
            print(f"{clock(self.elapsed())} {self.message} {detail}".rstrip(), flush=True)

    def done(self, result: str = "done") -> None:
        start = "\r\x1b[K" if self.tty else ""
        print(f"{start}{clock(self.elapsed())} {self.message}: {result}", flush=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and everything that it has started."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def output(command: Sequence[object]) -> str:
    """The output of a command. Raises StepFailed if it fails or does not exist."""
    words = [str(c) for c in command]
    try:
        r = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           check=False)
    except OSError as e:
        raise StepFailed(f"{words[0]}: {e.strerror}") from e
    if r.returncode:
        raise StepFailed(f"{' '.join(words)} ended with status {r.returncode}:\n"
                         f"{r.stderr.strip()[-3000:]}")
    return r.stdout


def run(message: str, command: Sequence[object], log: Path, hint: str = "",
        env: dict[str, str] | None = None) -> None:
    """Run a command as a step, with its output in log."""
    step = Step(message)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        process = subprocess.Popen(
            [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True, pass_fds=tuple(held), env=env)
        try:
            while True:
                try:
                    rc = process.wait(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    step.update()
        except BaseException:
            stop(process)
            raise
    if rc:
        step.done("FAILED")
        text = f"The end of {log}:\n{tail(log)}"
        raise StepFailed(f"{text}\n{hint}" if hint else text)
    step.done()


def terminate(signum: int, _frame: FrameType | None) -> None:
    # Raised as an exception, so that everything that was started is killed.
    sys.exit(128 + signum)


def line_buffered() -> None:
    """Flush the output after each line, even if it goes to a file."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def main(function: Callable[[], int]) -> None:
    """Run a script's main function, and print messages for failed steps, not tracebacks."""
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGHUP, terminate)
    try:
        sys.exit(function())
    except StepFailed as e:
        print(e, file=sys.stderr)
        sys.exit(1)
    except OSError as e:
        if e.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"{e.filename or 'the disk'}: {e.strerror}. Make room there, and run this again.",
              file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
