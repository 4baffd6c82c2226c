import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mrcnn.commands import tasks
from mrcnn.errors import UserError


def parse(*arguments):
    parser = argparse.ArgumentParser()
    for name in ("config", "project", "output", "model"):
        parser.add_argument(f"--{name}", type=Path)
    tasks.add_options(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def open_task(*arguments, environment=None):
    needs = {"project": "--project (or --images)", "output": "--output"}
    return tasks.open_task(parse(*arguments), needs=needs, instead=tuple(needs), environment=environment or {})


def test_open_task_places_in_a_task_folder(tmp_path):
    task = open_task("--task-dir", tmp_path)
    assert {name: task.path(name) for name in ("config", "project", "model", "output")} == {
        "config": tmp_path / "task_config.json",
        "project": tmp_path / "data",
        "model": tmp_path / "model",
        "output": tmp_path / "results",
    }


def test_open_task_option_comes_before_the_variable_and_that_before_the_default(tmp_path, monkeypatch):
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    for folder in (one, two, three):
        folder.mkdir()
    monkeypatch.setattr(tasks, "ROOT", three)
    assert open_task("--task-dir", one, environment={"SLY_TASK_DIR": str(two)}).root == one
    assert open_task(environment={"SLY_TASK_DIR": str(two)}).root == two
    assert open_task(environment={"SLY_TASK_DIR": ""}).root == three  # an empty variable counts as not set
    assert open_task().root == three


def test_the_default_is_the_platforms_folder():
    assert Path("/sly_task_data") == tasks.ROOT


def test_open_task_what_is_given_wins_over_the_task_folder(tmp_path):
    task = open_task("--task-dir", tmp_path, "--output", "elsewhere")
    assert (task.path("output"), task.path("project")) == (Path("elsewhere"), tmp_path / "data")


def test_given_paths_are_not_mixed_with_a_task_folder_that_was_not(tmp_path):
    environment = {"SLY_TASK_DIR": str(tmp_path)}
    task = open_task("--project", "p", "--output", "o", environment=environment)
    assert (task.root, task.path("project")) == (None, Path("p"))
    for ask in (
        lambda: open_task("--project", "p", environment=environment),
        lambda: tasks.Task({}, None).path("output"),
    ):
        with pytest.raises(UserError, match=r"^--output is missing; give it, or --task-dir for the usual places$"):
            ask()


def test_open_task_names_all_that_is_missing():
    options, needs = parse("--output", "o"), {"model": "--model", "project": "--project (or --data)", "output": "-o"}
    with pytest.raises(UserError, match=r"^--model and --project \(or --data\) are missing; give them, or --task-dir"):
        tasks.open_task(options, needs=needs, instead=("output",), environment={})


def test_open_task_without_any_option_names_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "ROOT", tmp_path / "none")
    with pytest.raises(UserError) as caught:
        open_task()
    assert str(caught.value) == (
        "give --project (or --images) and --output: see --help; or a task folder by --task-dir or $SLY_TASK_DIR, since "
        f"there is no {tmp_path / 'none'}"
    )


def test_open_task_path_that_cannot_stand_in_for_the_task_folder_goes_with_it(tmp_path):
    task = open_task("--config", "c.json", environment={"SLY_TASK_DIR": str(tmp_path)})
    assert (task.path("config"), task.path("output")) == (Path("c.json"), tmp_path / "results")


def test_open_task_without_the_folder_one_line_says_what_to_give(tmp_path):
    with pytest.raises(UserError) as caught:
        open_task("--task-dir", tmp_path / "none")
    assert str(caught.value) == (
        f"there is no task folder {tmp_path / 'none'}; give another by --task-dir or $SLY_TASK_DIR, or do without it "
        "by --project (or --images) and --output: see --help"
    )


def run(main, *arguments, **environment):
    return tasks.run(main, parse("--log-format", "json", *arguments), environment=environment)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def fail(log):
    log.info("started")
    raise RuntimeError("no luck")


def test_a_run_logs_to_stderr_and_ends_with_an_exit_code(capsys):
    assert run(lambda log: log.info("hello")) == 0
    assert run(fail) == 1
    captured = capsys.readouterr()
    assert [line["message"] for line in lines(captured.err)] == ["hello", "started", "Unexpected exception in main."]
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "environment", "shown"),
    [((), {}, False), (("--debug",), {}, True), ((), {"SLY_DEBUG": "1"}, True), ((), {"SLY_DEBUG": ""}, False)],
)
def test_the_option_or_the_variable_asks_for_a_traceback(capsys, arguments, environment, shown):
    assert run(fail, *arguments, **environment) == 1
    assert ("stack" in lines(capsys.readouterr().err)[-1]) == shown


def test_the_variable_asks_for_a_log_file_in_the_task_folder(tmp_path, capsys):
    assert run(fail, "--task-dir", tmp_path, DEBUG_LOG_TO_FILE="1", LOG_LEVEL="FATAL") == 1
    (path,) = (tmp_path / "tmp").iterdir()
    assert path.suffix == ".jsonl"
    whole = lines(path.read_text())
    assert [line["message"] for line in whole] == ["started", "Unexpected exception in main."]
    assert whole[1]["stack"][-1] == "RuntimeError: no luck\n"
    (shown,) = lines(capsys.readouterr().err)  # the level is that of stderr
    assert shown["exc_str"] == "RuntimeError: no luck"
    assert "stack" not in shown


def test_no_log_file_without_the_variable(tmp_path):
    assert run(lambda log: None, "--task-dir", tmp_path, DEBUG_LOG_TO_FILE="") == 0
    assert not list(tmp_path.iterdir())


def test_a_log_file_that_cannot_be_written_does_not_stop_the_run(tmp_path, capsys):
    assert run(lambda log: log.info("hello"), "--task-dir", tmp_path / "none", DEBUG_LOG_TO_FILE="1") == 0
    first, second = lines(capsys.readouterr().err)
    assert first["level"] == "warn"
    assert (
        first["message"] == f"$DEBUG_LOG_TO_FILE has no effect: {tmp_path / 'none' / 'tmp'}: No such file or directory"
    )
    assert second["message"] == "hello"
    assert not (tmp_path / "none").exists()


def test_after_an_error_no_thread_holds_the_process():
    # as the threads of a data pipeline that an error left at work
    work = "import threading; threading.Thread(target=threading.Event().wait).start()"
    code = f"from mrcnn.commands import tasks; {work}; print('told', end=''); tasks.leave(1)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (1, "told")


@pytest.mark.parametrize("code", [0, 130])
def test_without_an_error_a_process_ends_as_usual(code):
    with pytest.raises(SystemExit) as caught:
        tasks.leave(code)
    assert caught.value.code == code


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a file that is always full")
def test_run_ends_well_when_its_log_file_is_on_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "_open_log", lambda root: open("/dev/full", "w"))
    options = argparse.Namespace(task_dir=tmp_path, log_format="json", debug=False)
    assert tasks.run(lambda log: log.info("work"), options, environment={"DEBUG_LOG_TO_FILE": "1"}) == 0
