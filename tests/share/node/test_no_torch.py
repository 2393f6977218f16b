"""Serving imports no torch, nor anything else of training."""

import subprocess
import sys

WITHOUT = ("torch", "torchvision", "timm", "datasets", "accelerate", "matplotlib", "sklearn", "jaxtyping", "onnxscript")


def test_a_node_and_its_page_are_imported_without_what_training_needs() -> None:
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in WITHOUT)
    wanted = "rheostat.share.node.live, rheostat.console, rheostat.cli, rheostat.share.runner.profile"
    code = f"import sys; {blocked}; import {wanted}; print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("fine", 0), done.stderr


def test_the_command_line_needs_no_extra_to_plan() -> None:
    blocked = "; ".join(
        f"sys.modules[{name!r}] = None" for name in (*WITHOUT, "av", "onnx", "onnxruntime", "PIL", "fastapi")
    )
    code = f"import sys; {blocked}; sys.argv = ['rheostat', 'plan', '--help']; from rheostat.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WORKLOAD|PACKAGES..." in done.stdout
