import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from mrcnn import startup
from mrcnn.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("train.py", "inference.py", "deploy.py")


@pytest.fixture
def noisy(tmp_path, monkeypatch):
    """Makes a module that writes to descriptor 2 while it is imported, and may fail."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, *, fails=False):
        end = "raise ImportError('no such driver')" if fails else "VALUE = 3"
        (tmp_path / f"{name}.py").write_text(f"import os\nos.write(2, b'E0000 a note')\n{end}\n")
        return name

    return write


def test_load_imports_without_the_notes_of_the_import(noisy, capfd):
    assert startup.load(noisy("noisy_module")).VALUE == 3
    os.write(2, b"later")
    assert capfd.readouterr().err == "later"


def test_load_shows_the_notes_where_the_import_fails(noisy, capfd):
    with pytest.raises(ImportError, match="no such driver"):
        startup.load(noisy("failing_module", fails=True))
    os.write(2, b"; later")
    assert capfd.readouterr().err == "E0000 a note; later"


def test_load_for_debugging_hides_nothing(noisy, capfd):
    startup.load(noisy("noisy_module_of_debug"), debug=True)
    assert capfd.readouterr().err == "E0000 a note"


@pytest.mark.parametrize("module", ["mrcnn.export.run", "mrcnn.serve.app"])
def test_load_refuses_on_another_back_end_what_needs_tensorflow(monkeypatch, module):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UserError, match="needs TensorFlow, but KERAS_BACKEND is jax: unset it, or use an environment"):
        startup.load(module)


def test_load_on_another_back_end_imports_the_rest(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert startup.load("mrcnn.errors").UserError is UserError
    assert startup.load("json").dumps([]) == "[]"


def test_load_names_what_to_install_where_tensorflow_is_missing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "needs_a_back_end.py").write_text("raise ModuleNotFoundError('none', name='tensorflow')")
    (tmp_path / "needs_another.py").write_text("raise ModuleNotFoundError('none', name='spam')")
    with pytest.raises(UserError, match="needs TensorFlow, which is not installed: install it, or, for training"):
        startup.load("needs_a_back_end")
    with pytest.raises(ModuleNotFoundError):
        startup.load("needs_another")


def python(*arguments, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_load_hides_the_note_that_onednn_writes_at_the_first_integers():
    """The later transpose would write it on a CPU without AVX-512; devices can still be chosen after `load`."""
    done = python(
        "-c",
        "from mrcnn import startup\ntf = startup.load('tensorflow')\ntf.config.set_visible_devices([], 'CPU')\n"
        "tf.config.set_visible_devices(tf.config.list_physical_devices('CPU'), 'CPU')\n"
        "print(tf.transpose(tf.constant([[1, 2]])).shape)",
    )
    assert (done.stdout, done.stderr) == ("(2, 1)\n", "")


UNNEEDED = (
    "fastapi",
    "pandas",
    "prometheus_client",
    "starlette",
    "supervision",
    "tensorboard",
    "uvicorn",
)


@pytest.mark.parametrize(
    ("module", "more"), [("mrcnn.annotate.run", ("imgaug", "imageio")), ("mrcnn.train.run", ())], ids=["infer", "train"]
)
def test_load_imports_nothing_that_the_run_does_not_need(module, more):
    done = python(
        "-c",
        f"import sys\nfrom mrcnn import startup\nstartup.load({module!r})\n"
        f"print([name for name in {UNNEEDED + more!r} if name in sys.modules], 'tensorflow' in sys.modules)",
    )
    assert (done.stdout, done.stderr) == ("[] True\n", "")


def test_quiet_shows_the_stack_where_the_process_is_ended():
    done = python("-c", "import os\nfrom mrcnn import startup\nwith startup.quiet(): os.abort()")
    assert "Fatal Python error: Aborted" in done.stderr


def test_quiet_does_without_a_stderr():
    code = "import os\nos.close(2)\nfrom mrcnn import startup\nwith startup.quiet(): print('done')"
    assert python("-c", code).stdout == "done\n"


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("options", [["--help"], ["--no-such-option"]])
def test_a_command_line_is_read_without_tensorflow(script, options):
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{script!r}, *{options!r}]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: print('tensorflow' in sys.modules, 'keras' in sys.modules)\n"
    )
    assert python("-c", code).stdout.splitlines()[-1] == "False False"


def test_load_of_training_with_an_empty_back_end(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "")  # Keras then uses TensorFlow
    assert startup.load("mrcnn.train.run").train


@pytest.mark.parametrize(
    ("back_end", "missing"), [("jax", "jax"), ("numpy", "jax"), ("openvino", "mrcnn.ops.backend.openvino")]
)
def test_load_names_a_back_end_that_is_not_there(monkeypatch, back_end, missing):
    def fail(name):
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setenv("KERAS_BACKEND", back_end)
    monkeypatch.setattr(startup, "importlib", types.SimpleNamespace(import_module=fail))
    with pytest.raises(
        UserError, match=rf"^KERAS_BACKEND is {back_end}, which is not installed or not supported: unset it"
    ):
        startup.load("mrcnn.predict.predictor")


def test_load_refuses_what_needs_tensorflow_where_keras_config_file_names_another_back_end(monkeypatch):
    for module in ("mrcnn.export.run", "mrcnn.predict.predictor"):
        startup.load(module)
    keras = sys.modules["keras"]
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(UserError) as caught:
        startup.load("mrcnn.export.run")
    assert str(caught.value) == (
        "export needs TensorFlow, but Keras's config file (~/.keras/keras.json) names jax: set KERAS_BACKEND to "
        "tensorflow, or use an environment with TensorFlow"
    )
    assert startup.load("mrcnn.predict.predictor").Predictor


def test_a_command_names_a_back_end_of_keras_config_file_that_is_not_there(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    (tmp_path / "jax.py").write_text("raise ModuleNotFoundError(\"No module named 'jax'\", name='jax')")
    environment = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "", "PYTHONPATH": str(tmp_path)}
    options = ["demo", "--output", str(tmp_path / "out")]
    done = python("-m", "mrcnn", *options, **environment)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"Keras's config file ({tmp_path}/keras.json) names jax, which is not installed" in done.stderr


@pytest.mark.parametrize("back_end", ["", "tensorflow"])
def test_load_keeps_the_error_of_a_package_that_is_missing_for_another_reason(tmp_path, monkeypatch, back_end):
    monkeypatch.setenv("KERAS_BACKEND", back_end)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"needs_jax{back_end}.py").write_text("raise ModuleNotFoundError('none', name='jax')")
    with pytest.raises(ModuleNotFoundError):
        startup.load(f"needs_jax{back_end}")
