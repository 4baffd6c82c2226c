"""The command line of the demo."""

from types import SimpleNamespace

from mrcnn import events
from mrcnn.commands import demo


def test_options():
    options = demo.parse(["--output", "x", "--log-format", "json"])
    assert (str(options.output), options.log_format, options.debug) == ("x", "json", False)


def test_main_runs_the_demo_into_the_output(monkeypatch, tmp_path):
    calls = []
    fake = SimpleNamespace(main=lambda output, log: calls.append((output, log)))
    monkeypatch.setattr(demo.startup, "load", lambda module, debug: calls.append((module, debug)) or fake)
    log = events.make_log("json")
    demo.demo(demo.parse(["--output", str(tmp_path)]), log)
    assert calls == [("mrcnn.demo", False), (tmp_path, log)]
