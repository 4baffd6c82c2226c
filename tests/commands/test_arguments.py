"""The options by which a command line names a model."""

import argparse
from pathlib import Path

import pytest

from mrcnn.commands import arguments
from mrcnn.errors import UserError


@pytest.fixture
def parser():
    made = argparse.ArgumentParser()
    arguments.add_model(made, required=True)
    return made


def test_add_model_folder_needs_no_more(parser):
    options = parser.parse_args(["--model", "runs/first"])
    assert (options.model, options.classes, options.input_size) == (Path("runs/first"), None, None)


def test_add_model_file_alone_comes_with_names_and_size(parser):
    options = parser.parse_args(["--model", "m.h5", "--classes", "cat,dog", "--input-size", "300", "512"])
    assert (options.classes, options.input_size) == ("cat,dog", [300, 512])


@pytest.mark.parametrize(
    "given", [[], ["--model", "m", "--input-size", "512"], ["--model", "m", "--input-size", "a", "b"]]
)
def test_wrong_options(parser, given, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(given)
    assert "error: " in capsys.readouterr().err


def test_add_model_model_may_be_left_out_where_a_task_folder_has_one():
    made = argparse.ArgumentParser()
    arguments.add_model(made, required=False)
    assert made.parse_args([]).model is None


def options_of(**given):
    return argparse.Namespace(**{"data": None, "images": None, "val_data": None, "val_images": None, **given})


def test_data_paths_holds_what_was_given():
    assert arguments.data_paths(options_of()) is None
    assert arguments.data_paths(options_of(data=Path("a"), val_data=Path("v"))) == {
        "data": Path("a"),
        "val_data": Path("v"),
    }
    assert arguments.data_paths(argparse.Namespace(data=Path("a"), images=Path("i"))) == {
        "data": Path("a"),
        "images": Path("i"),
    }


@pytest.mark.parametrize("name", ["images", "val_data", "val_images"])
def test_data_paths_without_data(name):
    option = name.replace("_", "-")
    with pytest.raises(UserError, match=f"^--{option} has no effect without --data; give both or neither$"):
        arguments.data_paths(options_of(**{name: Path("x")}))


@pytest.mark.parametrize(("text", "expected"), [("auto", "auto"), ("8", 8), ("0", 0)])
def test_batch_size(text, expected):
    assert arguments.batch_size(text) == expected


@pytest.mark.parametrize("text", ["", "Auto", "1.5", "many"])
def test_batch_size_of_another_word_is_one_clear_line(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^must be a whole number or auto, got '{text}'$"):
        arguments.batch_size(text)
