"""Logs a run's events: JSON lines for programs, progress bars and text for terminals.

The JSON lines have the form that consumers of the original system read: `message`, `timestamp`, `level`, then the
fields of the event; a number that JSON cannot represent (NaN, infinity) is null. One deliberate difference: the
timestamp is in UTC, as its `Z` promises; the original wrote local time.
Source: Supervisely task log contract, release 5.16.
"""

import contextlib
import json
import math
import os
import sys
import textwrap
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, TypeVar

from rich import console, progress, table
from rich.text import Text

from mrcnn import decoder_notes
from mrcnn.errors import OutOfMemory, UserError, one_line, shortened, with_advice

Item = TypeVar("Item")
LogFormat = Literal["auto", "rich", "json"]
Split = Literal["train", "val"]

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
LEVEL_VARIABLE = "LOG_LEVEL"  # the least level that is shown
LEVEL_NAMES = {level: level for level in LEVELS} | {"warning": "warn", "critical": "fatal"}

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C: 128 + SIGINT


class EventLog(ABC):
    """Interface of a run's log; passed as an argument, never a global."""

    @abstractmethod
    def emit(self, message: str, *, level: str = "info", **fields: Any) -> None:
        """Reports one event; `fields` are its named values, `level` one of `LEVELS`."""

    def info(self, message: str) -> None:
        """Reports something that the user may want to know."""
        self.emit(message)

    def warning(self, message: str) -> None:
        """Reports something the user should look at; the run goes on."""
        self.emit(message, level="warn")

    def error(self, message: str) -> None:
        """Reports a failure of one part; the run may go on."""
        self.emit(message, level="error")

    @abstractmethod
    def progress(self, subtask: str, current: int, total: int, *, left: float | None = None) -> None:
        """Reports the progress of a subtask; may be called for every unit.

        Args:
            subtask: name of the work.
            current: units done.
            total: units in all.
            left: seconds to the end of the whole work, where the subtask is only a part of it.
        """

    def metrics(
        self, split: Split, epoch: float, metrics: Mapping[str, float], *, training: Mapping[str, float] | None = None
    ) -> None:
        """Reports the losses and metrics of a split.

        Args:
            split: train or val.
            epoch: may be fractional.
            metrics: name -> value; `loss` is among them.
            training: means over the epoch's training steps, with the metrics of a validation.
        """
        more: dict[str, Any] = {} if training is None else {"training": training}
        self.emit("metrics", event_type="EventType.METRICS", type=split, epoch=float(epoch), metrics=metrics, **more)

    def checkpoint(self, *, id: int, subdir: str, sizeb: int, best_now: bool, loss: float) -> None:
        """Reports a checkpoint written in `subdir`, with its size in bytes and validation loss."""
        self.emit(
            "checkpoint",
            event_type="EventType.CHECKPOINT",
            id=id,
            subdir=subdir,
            sizeb=sizeb,
            best_now=best_now,
            optional={"loss": loss},
        )

    def model_applied(self) -> None:
        """Reports that inference is complete."""
        self.emit("model applied", event_type="EventType.MODEL_APPLIED")

    def task_deployed(self) -> None:
        """Reports that a service is ready to answer."""
        self.emit("Ready to get events", event_type="EventType.TASK_DEPLOYED")

    def crashed(self, error: BaseException, *, debug: bool = False) -> None:
        """Reports the exception that ends the run; `debug` adds the traceback."""
        fields = {"stack": traceback.format_exception(error)} if debug else {}
        self.emit(
            _one_line(error) if isinstance(error, UserError) else "Unexpected exception in main.",
            level="fatal",
            event_type="EventType.TASK_CRASHED",
            exc_str=_one_line(error),
            **fields,
        )

    def track(self, iterable: Iterable[Item], subtask: str, total: int | None = None) -> Iterator[Item]:
        """Yields the items and reports progress; `total` is needed where they have no length."""
        total = len(iterable) if total is None else total  # type: ignore[arg-type]
        self.progress(subtask, 0, total)
        for done, item in enumerate(iterable, start=1):
            yield item
            self.progress(subtask, done, total)

    def close(self) -> None:  # noqa: B027 - most forms have nothing to close
        """Removes progress bars from the terminal; a later progress report shows them again."""


WIDE = 180  # columns of a terminal in which a bar and most losses fit
WIDE_BAR, NARROW_BAR = 20, 8  # columns; the narrow one leaves room for the loss on 80
WIDE_NAME, NARROW_NAME = 60, 26  # most columns of a subtask's name, which may hold that of a data set
RATE, TIME_LEFT = 8, 14  # most columns of `123.45/s` and `100:00:00 left`


class _TimeLeft(progress.TimeRemainingColumn):
    """Shows the remaining time of the whole work; where unknown, that of the bar."""

    def render(self, task: progress.Task) -> Text:
        left = task.fields["left"]
        if left is None:
            return super().render(task)
        minutes, seconds = divmod(round(left), 60)
        return Text(f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left", style="progress.remaining")


class JsonLog(EventLog):
    """Writes every event as one JSON line, in the form of the original system."""

    def __init__(self, stream: TextIO | None = None):
        """Stores the stream; None means the value of `sys.stderr` at each event."""
        self._stream = stream
        self._percent: dict[str, int] = {}

    def emit(self, message: str, *, level: str = "info", **fields: Any) -> None:
        """Writes one line; the module's docstring describes its form."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        line = _jsonable({"message": one_line(message), "timestamp": stamp, "level": level, **fields})
        with contextlib.suppress(OSError):  # a full disk or a closed pipe under the log must not end a run
            print(json.dumps(line, allow_nan=False), file=self._stream or sys.stderr, flush=True)

    def progress(self, subtask: str, current: int, total: int, *, left: float | None = None) -> None:
        """Writes a line whenever the whole percentage changes, and at the end."""
        percent = 100 * current // max(total, 1)
        if percent == self._percent.get(subtask) and current != total:
            return
        self._percent[subtask] = percent
        more: dict[str, Any] = {} if left is None else {"seconds_left": round(left)}
        self.emit("progress", event_type="EventType.PROGRESS", subtask=subtask, current=current, total=total, **more)


class RichLog(EventLog):
    """Shows progress bars with rate and remaining time on a terminal, and short lines above."""

    def __init__(self, stream: TextIO | None = None):
        """Creates the console and the bars.

        Args:
            stream: where to write; None for stderr. Where it is no terminal, lines are written but no bars.
        """
        self._console = console.Console(file=stream, stderr=True)
        is_narrow, uncut = self._console.width < WIDE, table.Column(no_wrap=True)  # a bar of two lines would flicker
        self._bar, self._name = (NARROW_BAR, NARROW_NAME) if is_narrow else (WIDE_BAR, WIDE_NAME)
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}", markup=False, table_column=uncut),
            progress.BarColumn(self._bar, table_column=uncut),
            progress.MofNCompleteColumn(table_column=uncut),
            progress.TextColumn("{task.fields[rate]}", table_column=uncut),
            _TimeLeft(table_column=uncut),
            progress.TextColumn("{task.fields[status]}", markup=False, table_column=uncut),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, progress.TaskID] = {}

    def emit(self, message: str, *, level: str = "info", **fields: Any) -> None:
        """Prints the message without its fields; warnings and errors have a prefix."""
        prefix, style = {"warn": ("warning: ", "yellow"), "error": ("error: ", "red"), "fatal": ("error: ", "red")}.get(
            level, ("", None)
        )
        text = one_line(prefix + message)
        if self._console.is_terminal:  # long words, such as paths, stay whole, so that they can be copied
            text = textwrap.fill(text, self._console.width, break_long_words=False, break_on_hyphens=False)
        self._console.print(text, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def progress(self, subtask: str, current: int, total: int, *, left: float | None = None) -> None:
        """Updates the subtask's bar; a finished bar is replaced by one line with its time."""
        if subtask not in self._tasks:
            if current >= total > 0:
                return  # the end was reported twice
            self._bars.start()
            name = shortened(subtask, most=self._name)
            self._tasks[subtask] = self._bars.add_task(name, total=total, rate="", status="", left=None)
        task_id = self._tasks[subtask]
        task = next(task for task in self._bars.tasks if task.id == task_id)
        rate = f"{task.speed:.{2 if task.speed < 1000 else 0}f}/s" if task.speed else ""
        self._bars.update(task_id, completed=current, total=total, rate=rate, left=left)
        if current >= total:
            self._finish(subtask, total, task.elapsed or 0.0)

    def metrics(
        self, split: Split, epoch: float, metrics: Mapping[str, float], *, training: Mapping[str, float] | None = None
    ) -> None:
        """Shows metrics of training beside the bars; prints those of a validation as a line.

        Beside a bar are the first metric and, on a terminal of at least `WIDE` columns, as many others as fit. The line
        of a validation on a terminal is without the parts of the loss, which would hide the measures.
        """
        if split == "train":
            for task in self._bars.tasks:
                self._bars.update(task.id, status=figures(metrics, most=self._room(task)))
        else:
            before = f"train: {figures(self._main(training))}; " if training else ""
            self.info(f"epoch {epoch:g} {before}{split}: {figures(self._main(metrics))}")

    def checkpoint(self, *, id: int, subdir: str, sizeb: int, best_now: bool, loss: float) -> None:
        """Prints the checkpoint's folder, size and loss."""
        self.info(f"checkpoint {subdir}: {sizeb / 1e6:.1f} MB, loss {loss:.4g}{', best so far' if best_now else ''}")

    def crashed(self, error: BaseException, *, debug: bool = False) -> None:
        """Prints one `error:` line, after the traceback if `debug` is true."""
        if debug:
            for part in traceback.format_exception(error):
                self._console.print(part.rstrip("\n"), markup=False, highlight=False, emoji=False, soft_wrap=True)
        hint = "" if debug or isinstance(error, UserError) else "; --debug shows where"
        self.emit(_one_line(error) + hint, level="fatal")

    def close(self) -> None:
        """Removes the bars of unfinished subtasks."""
        for task_id in self._tasks.values():
            self._bars.remove_task(task_id)
        self._tasks.clear()
        self._bars.stop()

    def _main(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Leaves out the parts of the loss on a terminal."""
        is_part = self._console.is_terminal
        return {name: value for name, value in metrics.items() if not (is_part and name.endswith("_loss"))}

    def _room(self, task: Any) -> int:
        """Computes the columns behind the others of a bar, each of which a space follows; 0 below `WIDE` columns."""
        used = len(task.description) + self._bar + 2 * len(f"{task.total:.0f}") + 1 + RATE + TIME_LEFT + 5
        return self._console.width - used if self._console.width >= WIDE else 0

    def _finish(self, subtask: str, total: int, seconds: float) -> None:
        self._bars.remove_task(self._tasks.pop(subtask))
        if not self._tasks:
            self._bars.stop()
        rate = f", {total / seconds:.2f}/s" if seconds > 0 else ""
        self.info(f"{subtask}: {total} done in {seconds:.1f} s{rate}")


class LogFile(JsonLog):
    """Writes JSON lines like `JsonLog`, always with the traceback of a crash."""

    def crashed(self, error: BaseException, *, debug: bool = False) -> None:
        """Writes one line with the traceback."""
        super().crashed(error, debug=True)


class SharedLog(EventLog):
    """Forwards events to several logs, each with its own minimum level."""

    def __init__(self, logs: Mapping[EventLog, str]):
        """Stores the logs.

        Args:
            logs: log -> minimum level, one of `LEVELS`. Progress, metrics and checkpoints have the level info.
        """
        self._logs = {log: LEVELS.index(level) for log, level in logs.items()}

    def emit(self, message: str, *, level: str = "info", **fields: Any) -> None:
        """Reports one event."""
        for log in self._of(level):
            log.emit(message, level=level, **fields)

    def progress(self, subtask: str, current: int, total: int, *, left: float | None = None) -> None:
        """Reports progress."""
        for log in self._of("info"):
            log.progress(subtask, current, total, left=left)

    def metrics(
        self, split: Split, epoch: float, metrics: Mapping[str, float], *, training: Mapping[str, float] | None = None
    ) -> None:
        """Reports metrics."""
        for log in self._of("info"):
            log.metrics(split, epoch, metrics, training=training)

    def checkpoint(self, *, id: int, subdir: str, sizeb: int, best_now: bool, loss: float) -> None:
        """Reports a checkpoint."""
        for log in self._of("info"):
            log.checkpoint(id=id, subdir=subdir, sizeb=sizeb, best_now=best_now, loss=loss)

    def crashed(self, error: BaseException, *, debug: bool = False) -> None:
        """Reports the exception that ends the run."""
        for log in self._of("fatal"):
            log.crashed(error, debug=debug)

    def close(self) -> None:
        """Removes progress bars from the terminal."""
        for log in self._logs:
            log.close()

    def _of(self, level: str) -> list[EventLog]:
        return [log for log, least in self._logs.items() if LEVELS.index(level) >= least]


def figures(metrics: Mapping[str, float], *, most: int | None = None) -> str:
    """Formats metrics as one line, four significant digits each: the first, and others that fit into `most` letters."""
    texts = [f"{name} {value:.4g}" for name, value in metrics.items()]
    while most is not None and len(texts) > 1 and len(" ".join(texts)) > most:
        texts.pop()
    return " ".join(texts)


def make_log(
    log_format: LogFormat = "auto", *, file: TextIO | None = None, environment: Mapping[str, str] = os.environ
) -> EventLog:
    """Makes the log of a run.

    Args:
        log_format: `rich`, `json`, or `auto`: `rich` when stderr is a terminal, else `json`.
        file: all events are also written there, as JSON lines.
        environment: its `LOG_LEVEL` is the least level that is shown; without it, all levels are.

    Raises:
        UserError: `log_format` is none of these.
    """
    if log_format not in ("auto", "rich", "json"):
        raise UserError(f"the log format must be auto, rich or json, got {log_format!r}")
    is_rich = log_format == "rich" or (log_format == "auto" and sys.stderr.isatty())
    shown: EventLog = RichLog() if is_rich else JsonLog()
    asked = environment.get(LEVEL_VARIABLE) or LEVELS[0]
    least = LEVEL_NAMES.get(asked.lower(), LEVELS[0])
    log = shown
    if file is not None or least != LEVELS[0]:
        log = SharedLog({shown: least} | ({} if file is None else {LogFile(file): LEVELS[0]}))
    if asked.lower() not in LEVEL_NAMES:  # only a warning: other programs use the same variable
        log.warning(f"${LEVEL_VARIABLE} must be one of {', '.join(LEVELS)}, got {asked!r}; all is shown")
    return log


def run_main(main: Callable[[], object], *, log: EventLog, debug: bool = False) -> int:
    """Runs a script's main function and reports an exception as one line on stderr.

    Returns:
        The exit code: 0; 1 after any exception; 130 after Ctrl-C. `SystemExit` passes through.
    """
    try:
        with decoder_notes.hidden():
            main()
    except KeyboardInterrupt:
        log.close()
        log.warning("stopped by the user")
        return EXIT_INTERRUPTED
    except Exception as error:
        log.close()
        log.crashed(with_advice(error), debug=debug)
        return EXIT_ERROR
    finally:
        log.close()
    return 0


def _one_line(error: BaseException) -> str:
    text = one_line(str(error))
    if isinstance(error, UserError | OutOfMemory):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _jsonable(value: Any) -> Any:
    """Converts NumPy numbers and other objects to JSON types; NaN and infinities to null."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if hasattr(value, "tolist"):  # a NumPy scalar or array, or an eager tensor's NumPy value
        return _jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
