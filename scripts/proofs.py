"""What each extra is for, done once with what is installed: run by `scripts/release`, in an environment with one extra.

Arguments: the name of the extra. From the environment: RHEOSTAT_CLONE, a clone of the commit that was built;
RHEOSTAT_TOOLS, an environment with basedpyright; RHEOSTAT_KEPT, a folder that outlives this environment.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

CLONE, TOOLS, KEPT = (Path(os.environ[f"RHEOSTAT_{name}"]) for name in ("CLONE", "TOOLS", "KEPT"))
BIN = Path(sys.executable).parent
WRONG_INPUT = 2
PATIENCE_S = 60


def main() -> None:
    """Do what the extra is for."""
    extra = sys.argv[1]
    must(rheostat("--version").stdout.strip() == version("rheostat"), "the command tells the version that is installed")
    must(importlib.util.find_spec("pytest") is None, "nothing for developers is installed")
    PROOFS[extra]()


def core() -> None:
    """Plans, and a one-line remedy from every command that needs more."""
    told = rheostat("plan", CLONE / "examples/six_detectors.json", "--baselines", "--tree").stdout
    must("mean F1" in told and "stem of" in told, f"a plan is told, and its tree: {told}")
    rheostat("place", CLONE / "examples/fleet.json", "--out", "plans")
    must(Path("plans/placement.json").exists(), "a fleet is placed")
    needs("train", "train", "--data", "sklearn-digits", "--model", "lenet", "--out", "run")
    needs("train", "demo")
    needs("train", "bench", "select", "--data", "sklearn-digits", "--model", "lenet", "--epochs", "1")
    needs("train", "package", "--data", "pictures", "--name", "zero", "--out", "apps/zero")
    Path("run").mkdir()
    needs("train", "suspects", "run")
    needs("train", "review", "run")
    if KEPT.exists():
        needs("edge", "run", KEPT / "plan.json", "--source", KEPT / "stream")
    for command in ("train", "demo", "bench", "suspects", "review", "package", "plan", "place", "run", "reproduce"):
        rheostat(command, "--help")
    types("from rheostat.share.plan import Plan, read_plan\n\nplan: Plan = read_plan('plan.json')\n", wrong="int")


def train() -> None:
    """Trains for an epoch, makes a package, and leaves it for the nodes."""
    rheostat(
        "train", "--data", "sklearn-digits", "--model", "lenet", "--epochs", "1", "--device", "cpu", "--out", "run"
    )
    told = json.loads(Path("run/epochs.jsonl").read_text().splitlines()[-1])
    must(told["epoch"] == 1 and told["backwards"] > 0, f"an epoch was trained: {told}")
    rheostat("suspects", "run", "--export", "csv")
    _pictures(Path("pictures"))
    rheostat(
        "package",
        "--base",
        "run",
        "--data",
        "pictures",
        "--name",
        "zero",
        "--label",
        "zero",
        "--event-seconds",
        "2",
        "--event-frequency",
        "0.1",
        "--epochs",
        "1",
        "--branch-points",
        "0,1",
        "--device",
        "cpu",
        "--out",
        "apps/zero",
    )
    rheostat("plan", "apps", "--out", "plan.json", "--budget", "500")
    KEPT.mkdir(exist_ok=True)
    shutil.copytree("apps", KEPT / "apps", dirs_exist_ok=True)
    shutil.copytree("pictures/zero", KEPT / "stream", dirs_exist_ok=True)
    shutil.copy("plan.json", KEPT)
    types(
        "from rheostat.select import SelectiveBackprop\n\npolicy: SelectiveBackprop = SelectiveBackprop(floor=0.1)\n",
        wrong="str",
    )


def edge() -> None:
    """Plans packages for this box and runs them, without torch."""
    must(importlib.util.find_spec("torch") is None, "an edge box installs no torch")
    node = _node()
    rheostat("plan", node / "apps", "--out", node / "plan.json", "--budget", "500")
    told = rheostat("run", node / "plan.json", "--source", node / "stream", "--sink", "events.jsonl", "--json").stdout
    frames = json.loads(told)["frames"]
    must(frames["analysed"] > 0, f"frames were looked at: {frames}")
    needs("console", "run", node / "plan.json", "--source", node / "stream", "--console")
    needs("train", "train", "--data", "sklearn-digits", "--model", "lenet", "--out", "run")


def console() -> None:
    """Alone it says what else a page needs; a node with a page is `pip install 'rheostat[edge,console]'`."""
    if importlib.util.find_spec("av") is None:
        needs("edge", "run", _node() / "plan.json", "--source", KEPT / "stream", "--console")
        from rheostat.console import serve

        with serve(_Nothing(), port=0) as served:
            must("<html" in _answer(served.address + "/"), "the page answers")
            must('"name"' in _answer(served.address + "/api/status"), "and what it asks for")


def node() -> None:
    """A node with its page, from the extras edge and console together."""
    place = _node()
    command = ("run", place / "plan.json", "--source", place / "stream", "--live", "--loop", "--console", "--port", "0")
    process = subprocess.Popen(
        [BIN / "rheostat", *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://[\w.:]+/", line)))
        must("<html" in _answer(address), "the page answers")
        until(lambda: json.loads(_answer(address + "healthz"))["state"] == "running", "and says that it is well")
        must("rheostat_" in _answer(address + "metrics"), "and gives its metrics")
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_S)
    must(code == 0, f"it ends in order when it is told to: status {code}")


def lightning() -> None:
    """The example of the documentation, for some steps."""
    must(0 <= runpy.run_path(str(CLONE / "examples/lightning_loop.py"))["main"](20) <= 1, "it trains")


def transformers() -> None:
    """The example of the documentation, for an epoch."""
    must(0 <= runpy.run_path(str(CLONE / "examples/transformers_trainer.py"))["main"](1) <= 1, "it trains")


def ray() -> None:
    """The integration can be imported, and Ray with it."""
    from importlib import import_module

    import_module("rheostat.integrations.ray")
    import_module("ray")


def everything() -> None:
    """All at once goes together: a node with its page, and an epoch of training."""
    node()
    train()


PROOFS: dict[str, Callable[[], None]] = {
    "core": core,
    "train": train,
    "edge": edge,
    "console": console,
    "edge,console": node,
    "lightning": lightning,
    "transformers": transformers,
    "ray": ray,
    "all": everything,
}


class _Nothing:
    """A node that does nothing (see `rheostat.console.view`)."""

    def status(self) -> dict[str, object]:
        """As little as possible."""
        return {"name": "nothing", "source": {"state": "running"}}


def rheostat(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the installed command; it must end with `code`."""
    done = subprocess.run([BIN / "rheostat", *map(str, arguments)], capture_output=True, text=True, check=False)
    said = f"it was {done.returncode}\n{done.stdout}{done.stderr}"
    must(done.returncode == code, f"rheostat {' '.join(map(str, arguments))} ends with {code}: {said}")
    return done


def needs(extra: str, *arguments: object) -> None:
    """A command that lacks an extra says so in one line, with what to install."""
    said = " ".join(rheostat(*arguments, code=WRONG_INPUT).stderr.split())
    must(f"pip install 'rheostat[{extra}]'" in said, f"{arguments[0]} asks for the extra {extra}: {said}")
    must("Traceback" not in said, f"{arguments[0]} ends without a traceback: {said}")


def types(text: str, *, wrong: str) -> None:
    """A user's file is checked against the types that the package carries: as it is, and with a wrong annotation."""
    for name, content, errors in (("right.py", text, 0), ("wrong.py", re.sub(r": \w+ =", f": {wrong} =", text), 1)):
        Path(name).write_text(content)
        command = [TOOLS / "bin/basedpyright", "--pythonpath", sys.executable, "--level", "error", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        must(f"{errors} error" in done.stdout, f"{name} has {errors} errors:\n{done.stdout}")


def must(holds: bool, what: str) -> None:
    """End with what was expected, unless it holds."""
    if not holds:
        sys.exit(f"proof: {what}")


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds; an answer that is an error counts as not yet."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(urllib.error.HTTPError):
            if holds():
                return
        time.sleep(0.2)
    must(False, what)


def _pictures(folder: Path) -> None:
    """Digits as pictures, a folder for zeros and one for the others."""
    from PIL import Image
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for name, of in (("zero", labels == 0), ("other", labels != 0)):
        (folder / name).mkdir(parents=True)
        for number, pixels in enumerate(images[of][:120]):
            picture = Image.fromarray((pixels.reshape(8, 8) * 15.9375).astype("uint8")).convert("RGB")
            picture.save(folder / name / f"{number:03}.png")


def _node() -> Path:
    """A copy of what the proof of `train` has left: packages, a plan, and pictures to look at."""
    must(
        KEPT.exists(),
        "the packages of the proof of train are there: run `scripts/release train` and the others at once",
    )
    return Path(shutil.copytree(KEPT, "node", dirs_exist_ok=True))


def _answer(address: str) -> str:
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
        return answer.read().decode()


if __name__ == "__main__":
    main()
