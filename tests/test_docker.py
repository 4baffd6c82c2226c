"""The Dockerfiles: instructions that exist, files that are there and enter the build, options that the program has."""

import json
import re
from pathlib import Path

import pytest

from mrcnn.commands import serve

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
KNOWN = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENV", "HEALTHCHECK", "ENTRYPOINT"}


def instructions(path):
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dockerfile_has_known_instructions_and_a_pinned_base(path):
    found = instructions(path)
    assert {name for name, _ in found} <= KNOWN
    assert found[0][0] == "FROM"
    assert re.fullmatch(r"[a-z/-]+:\d[\w.-]*", found[0][1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dockerfile_copies_what_is_there_and_enters_the_build(path):
    shown = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source in (rest.split()[0] for name, rest in instructions(path) if name == "COPY"):
        if source.startswith("${"):
            continue  # the exported models of the user
        assert (ROOT / source).exists()
        assert source in shown


def test_service_runs_as_a_user_of_its_own_with_options_that_exist():
    found = dict(instructions(ROOT / "docker" / "service.Dockerfile"))
    program, script, command, *options = json.loads(found["ENTRYPOINT"])
    assert (program, script, command) == ("python", "deploy.py", "serve")
    parsed = serve.make_parser().parse_args(options)
    assert (str(parsed.model), parsed.host, parsed.port) == ("/model", "0.0.0.0", 5000)
    assert found["USER"] != "root"
    assert found["EXPOSE"] == "5000"


def test_there_is_one_for_each_server():
    assert [path.name for path in FILES] == ["service.Dockerfile", "tensorflow-serving.Dockerfile"]
