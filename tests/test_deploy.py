"""What is deployed: the unit, the image and the settings are read strictly, and start a command that there is."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from rheostat.cli import app
from rheostat.settings import read_settings_file
from rheostat.share.node.metrics import Metrics
from rheostat.share.node.settings import NodeSettings
from rheostat.share.node.sinks import names
from rheostat.share.node.source_names import parse_source

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
UNIT, DOCKERFILE, SETTINGS = DEPLOY / "rheostat-node.service", DEPLOY / "Dockerfile", DEPLOY / "node.toml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSTRUCTIONS = ("FROM", "COPY", "RUN", "ENV", "USER", "WORKDIR", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD")


def parsed(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """The command that the real command line finds in arguments, and what each of its parameters is; nothing is run."""
    group: Any = typer.main.get_command(app)
    with group.make_context("rheostat", list(arguments)) as context:
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        with command.make_context(name, rest, parent=context) as inner:
            return name, inner.params


def test_what_parses_here_is_what_the_command_line_takes() -> None:
    name, given = parsed(["run", "plan.json", "--console", "--port", "8500"])
    assert (name, given["plan"], given["console"], given["port"]) == ("run", Path("plan.json"), True, 8500)
    for wrong in (["run", "plan.json", "--no-such-flag"], ["run"], ["walk"], ["run", "plan.json", "--port", "x"]):
        with pytest.raises(typer.TyperException):
            parsed(wrong)


# the unit


def unit() -> dict[str, dict[str, str]]:
    """Sections and their settings; a setting that stands twice is a slip."""
    reader = configparser.RawConfigParser(strict=True, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    reader.optionxform = str  # type: ignore[assignment,method-assign]
    reader.read_string(UNIT.read_text())
    return {name: dict(reader[name]) for name in reader.sections()}


def test_the_unit_starts_a_command_that_there_is() -> None:
    service = unit()["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert program == "/opt/rheostat/bin/rheostat"
    name, given = parsed(arguments)
    assert (name, given["console"], given["host"]) == ("run", True, "127.0.0.1")
    assert str(given["plan"]).startswith(f"/var/lib/{service['StateDirectory']}/")
    credential, _, source = service["LoadCredential"].partition(":")
    assert str(given["config"]) == "${CREDENTIALS_DIRECTORY}/" + credential
    assert (credential, source) == (SETTINGS.name, "/etc/rheostat/node.toml")


def test_the_unit_restarts_and_is_fenced_in() -> None:
    sections = unit()
    service = sections["Service"]
    assert list(sections) == ["Unit", "Service", "Install"]
    assert (service["Restart"], sections["Unit"]["StartLimitIntervalSec"]) == ("on-failure", "0")
    assert service["User"] != "root"
    wanted = ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictSUIDSGID", "LockPersonality")
    assert {service[name] for name in wanted} == {"yes"}
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"]) == ("strict", "")
    assert re.fullmatch(r"\d+M", service["MemoryMax"])
    assert "WatchdogSec" not in service  # the node sends no signs of life: systemd would kill it


def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    text = UNIT.read_text().replace("/opt/rheostat/bin/rheostat", sys.executable)
    here = tmp_path / UNIT.name
    here.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    here.write_text(text.replace("ProtectSystem=strict", "ProtectSistem=strict"))
    wrong = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True)
    assert "ProtectSistem" in wrong.stderr  # it does look


# the settings


def test_the_settings_are_those_of_a_node(tmp_path: Path) -> None:
    values = read_settings_file(SETTINGS)
    folder = unit()["Service"]["WorkingDirectory"]
    assert values["watch"].startswith(f"{folder}/")
    settings = NodeSettings.checked(values | {"watch": str(tmp_path)})
    assert str(settings.out).startswith(f"{folder}/")
    assert parse_source(settings.source).shown == "rtsp://camera.example/stream"
    assert [names.urlsplit(sink).scheme for sink in settings.sink] == ["mqtts", ""]
    _, flags = parsed(["run", "plan.json"])
    assert values.keys() <= flags.keys() | NodeSettings.model_fields.keys()


# the image


def instructions() -> list[tuple[str, str]]:
    """Lines of the Dockerfile as instruction and arguments; anything else is a slip."""
    found = []
    for line in DOCKERFILE.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(" ")
        assert name in INSTRUCTIONS, line
        assert rest.strip(), line
        assert not line.rstrip().endswith("\\"), "one instruction a line"
        found.append((name, rest))
    return found


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def test_every_stage_begins_with_the_slim_python_that_is_tested() -> None:
    names = set()
    for stage in stages():
        image = re.fullmatch(r"python:(\d+\.\d+)-slim(?: AS (\w+))?", stage[0][1])
        assert image is not None, stage[0][1]
        assert f"Programming Language :: Python :: {image[1]}" in PROJECT["classifiers"]
        names.add(image[2])
    assert names == {"build", None}  # the last one has no name: it is what is kept


def test_what_is_copied_is_there() -> None:
    copied = [shlex.split(rest) for stage in stages() for name, rest in stage if name == "COPY"]
    from_clone = [source for arguments in copied if "--from" not in arguments[0] for source in arguments[:-1]]
    assert from_clone
    assert [source for source in from_clone if not (ROOT / source).exists()] == []
    assert {"pyproject.toml", "src", *PROJECT["license-files"], PROJECT["readme"]} <= set(from_clone)  # it builds
    assert [arguments for arguments in copied if "--from" in arguments[0]] == [
        ["--from=build", "/opt/rheostat", "/opt/rheostat"]
    ]


def test_the_image_installs_extras_that_there_are_at_tested_versions_and_no_torch() -> None:
    installs = [rest for name, rest in stages()[0] if name == "RUN" and " install " in rest]
    assert len(installs) == 1
    words = shlex.split(installs[0])
    assert words[words.index("--constraint") + 1] == "constraints.txt"
    extras = re.fullmatch(r"\.\[([\w,]+)\]", words[-1])
    assert extras is not None
    chosen = extras[1].split(",")
    assert set(chosen) == {"edge", "console"}
    needed = [line for extra in chosen for line in PROJECT["optional-dependencies"][extra]]
    assert not [line for line in needed if line.startswith(("torch", "rheostat[train"))]


def test_the_image_runs_a_command_that_there_is_and_not_as_root() -> None:
    last = stages()[-1]
    order = [name for name, _ in last]
    told = dict(last)
    arguments = json.loads(told["ENTRYPOINT"])[1:] + json.loads(told["CMD"])
    name, given = parsed(arguments)
    assert (name, given["console"], str(given["config"])) == ("run", True, SETTINGS.name)
    assert order.index("USER") < order.index("CMD")
    created = next(rest for name, rest in last if name == "RUN")
    assert f" {told['USER']}" in created
    assert "--system" in created
    assert (json.loads(told["VOLUME"]), told["WORKDIR"]) == (["/var/lib/rheostat"], "/var/lib/rheostat")


def test_health_is_asked_where_the_page_is() -> None:
    health = dict(stages()[-1])["HEALTHCHECK"]
    options, _, command = health.partition(" CMD ")
    assert all(re.fullmatch(r"--(interval|timeout|start-period|retries)=\w+", option) for option in options.split())
    program, flag, code = json.loads(command)
    compile(code, "healthcheck", "exec")
    _, given = parsed(["run", "plan.json"])
    assert (program, flag) == ("python", "-c")
    assert f"http://{given['host']}:{given['port']}/healthz" in code


# the page


PAGE = (ROOT / "docs/deployment.md").read_text()


def test_commands_of_the_page_are_commands_that_there_are() -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
    found = [
        match[1] for line in lines if (match := re.search(r"(?:bin/rheostat|rheostat-node) ((?:plan|run) .*)", line))
    ]
    assert len(found) >= 2
    for command in found:
        parsed(shlex.split(command))


def test_metrics_of_the_page_are_metrics_that_there_are() -> None:
    told = Metrics().exposition().decode()
    named = set(re.findall(r"`(rheostat_[a-z_]+)", PAGE))
    assert len(named) >= 5
    assert sorted(name for name in named if name.removesuffix("_total") not in told) == []


def test_files_that_the_page_and_the_unit_name_agree() -> None:
    service = unit()["Service"]
    for path in (
        service["WorkingDirectory"],
        "/etc/rheostat/node.toml",
        "/opt/rheostat",
        "/var/lib/rheostat/plan.json",
    ):
        assert path in PAGE
    assert f"useradd --system --create-home --home-dir {service['WorkingDirectory']}" in PAGE
    assert f" {service['User']}\n" in PAGE
