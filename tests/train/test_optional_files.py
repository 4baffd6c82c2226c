import pytest
import tensorflow as tf

from mrcnn.train.optional_files import OptionalFiles, TensorBoard

from . import fake


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (tf.errors.OutOfRangeError(None, None, "{{function_node x}} /a; File too large [Op:Save] name:"), "File too"),
    ],
)
def test_optional_files_file_that_cannot_be_written_is_warned_about_once(tmp_path, log, error, why):
    optional_files = OptionalFiles(log)
    for name in ("a", "a", "b"):
        with optional_files.writing(tmp_path / name):
            raise error
    assert [event["level"] for event in log.events] == ["warn", "warn"]
    assert log.messages[0].startswith(f"cannot write the optional {tmp_path / 'a'}: ")
    assert log.messages[0].endswith("; the run goes on without, its checkpoints hold the same figures")
    assert why in log.messages[0]
    assert "{{" not in log.messages[0]
    assert "Op:" not in log.messages[0]


def test_optional_files_another_error_is_not_caught(tmp_path, log):
    with pytest.raises(ZeroDivisionError), OptionalFiles(log).writing(tmp_path / "a"):
        raise ZeroDivisionError


def test_optional_files_attempting_catches_every_exception_once(log):
    optional_files = OptionalFiles(log)
    for what, error in (("the card", KeyError("a\nb")), ("the card", OSError()), ("the tracker", MemoryError())):
        with optional_files.attempting(what):
            raise error
    assert log.messages == [
        "the card failed: 'a\\nb'; the run goes on without",
        "the tracker failed: MemoryError; the run goes on without",
    ]
    with pytest.raises(SystemExit), optional_files.attempting("the end"):
        raise SystemExit(143)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras, for a plain learning rate
def test_tensorboard_without_a_folder_warns_once_in_a_whole_training(tmp_path, log):
    (tmp_path / "file").touch()
    board = TensorBoard(tmp_path / "file" / "events", optional_files=OptionalFiles(log))
    board.set_model(fake.compiled())
    board.on_train_begin()
    for epoch in range(2):
        board.on_epoch_end(epoch, {"loss": 1.0})
    board.on_train_end()
    (line,) = log.messages
    assert line.startswith(f"cannot write the optional {tmp_path / 'file' / 'events'}: ")
