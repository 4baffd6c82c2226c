"""The command line of the demo."""

from types import SimpleNamespace

import pytest

from mrcnn import events
from mrcnn.commands import demo
from mrcnn.errors import UserError


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


def test_the_demo_names_what_draws_its_pictures(monkeypatch, tmp_path):
    monkeypatch.setattr(demo.optional, "missing", lambda extra: ["supervision"])
    with pytest.raises(UserError, match=r"the demo needs the package supervision; install it by .*draw"):
        demo.demo(demo.parse(["--output", str(tmp_path)]), events.make_log("json"))
