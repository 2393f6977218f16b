"""A package or a base from a stranger: it may be refused, and does nothing else that its owner did not ask for."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rheostat.errors import DataError, RheostatError, SettingsError, StateError
from rheostat.share.base import BASE_FILE, Base, read_base
from rheostat.share.package import read_package
from rheostat.share.package.document import HELD_OUT_FILE, PACKAGE_FILE, Package
from rheostat.share.package.workload import workload_of
from rheostat.share.runner.networks import merged
from rheostat.share.runner.sessions import PROVIDERS, Sessions, open_session, run
from tests.share.folders import a_base, a_package, a_variant
from tests.share.runner import toys

ESCAPES = ("../secret", "/etc/hostname", "heads/../../secret", "..\\secret", "C:secret", "..", "head\0.onnx")
SHAPE = [4]


class Payload:
    """Would make a file, were it ever unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._mark),)


def outside(place: str, offset: int = 0) -> TensorProto:
    """Weights that are said to lie somewhere else."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=SHAPE, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", place), ("offset", str(offset)), ("length", "16")):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    return weight


def adds(weight: TensorProto | None = None, node: onnx.NodeProto | None = None) -> onnx.ModelProto:
    """A network that adds weights to what it is given, or has another node."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *SHAPE]) for name in ("x", "y"))
    held = [weight or numpy_helper.from_array(np.ones(SHAPE, np.float32), "w")]
    graph = helper.make_graph([node or helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], held)
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("stranger", 1), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=10)


# paths


@pytest.mark.parametrize("name", ESCAPES)
def test_a_package_names_no_file_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    base = a_base(tmp_path / "base")
    (tmp_path / "secret").write_text("secret")
    package = a_package(tmp_path / "vehicle", base)
    values = json.loads((package.folder / PACKAGE_FILE).read_text())
    values["branch_points"][0]["file"] = name
    (package.folder / PACKAGE_FILE).write_text(json.dumps(values))
    with pytest.raises(SettingsError, match=r"branch point 1: file is .*: must be"):
        read_package(package.folder)


@pytest.mark.parametrize("name", ESCAPES)
def test_a_base_names_no_file_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    a_base(tmp_path)
    values = json.loads((tmp_path / BASE_FILE).read_text())
    values["layers"][0]["file"] = name
    (tmp_path / BASE_FILE).write_text(json.dumps(values))
    with pytest.raises(SettingsError, match=r"file is .*: must be"):
        read_base(tmp_path)


def test_a_link_leads_to_no_file_outside_of_the_folder(tmp_path: Path) -> None:
    base = a_base(tmp_path / "base")
    package = a_package(tmp_path / "vehicle", base)
    head = package.folder / "head-01.onnx"
    elsewhere = head.rename(tmp_path / "elsewhere.onnx")  # the content is right: only the place is not
    head.symlink_to(elsewhere)
    with pytest.raises(StateError, match=r"head-01\.onnx is no plain file inside of its folder"):
        package.content(1)
    within = elsewhere.rename(package.folder / "data.onnx")  # as volumes of clusters are laid out
    head.unlink()
    head.symlink_to(within)
    assert package.content(1) == b"head 1"


@pytest.mark.parametrize("name", [PACKAGE_FILE, HELD_OUT_FILE])
@pytest.mark.parametrize("kind", ["device", "pipe", "link"])
def test_a_description_is_a_plain_file_of_the_folder(tmp_path: Path, name: str, kind: str) -> None:
    package = a_package(tmp_path / "vehicle", a_base(tmp_path / "base"))
    path = package.folder / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)  # a reader would wait for ever
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "/etc/hostname")
    with pytest.raises(StateError, match="is no plain file inside of its folder"):
        read_package(package.folder).held_out()


def test_links_in_a_circle_are_refused_in_one_line(tmp_path: Path) -> None:
    package = a_package(tmp_path / "vehicle", a_base(tmp_path / "base"))
    head = package.folder / "head-01.onnx"
    head.unlink()
    head.symlink_to(head.name)
    with pytest.raises(StateError, match="cannot be read"):
        package.content(1)


# content


def test_a_head_is_opened_only_if_it_is_the_one_that_was_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = toys.make_base(tmp_path / "base")
    package = toys.make_package(tmp_path / "app", base, "app", 1)
    opened: list[bytes] = []
    monkeypatch.setattr("rheostat.share.runner.sessions.open_session", lambda content, _: opened.append(content))
    (package.folder / "head-01.onnx").write_bytes((package.folder / "head-02.onnx").read_bytes())
    with pytest.raises(StateError, match="has the hash"):
        Sessions(base, providers=PROVIDERS).head(package, 1)
    assert opened == []


def test_nothing_of_a_package_is_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    content = pickle.dumps(Payload(mark))
    base = toys.make_base(tmp_path / "base")
    package = toys.make_package(tmp_path / "app", base, "app", 1, heads={1: content})  # its hash fits
    with pytest.raises(DataError, match="no ONNX file"):
        Sessions(base, providers=PROVIDERS).head(package, 1)
    for path in package.folder.iterdir():
        path.write_bytes(content)
    (package.folder / PACKAGE_FILE).write_bytes(content)
    (package.folder / HELD_OUT_FILE).write_bytes(content)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_package(package.folder)
    with pytest.raises(SettingsError, match="cannot be read"):
        package.held_out()
    assert not mark.exists()
    pickle.loads(content)  # the payload is one
    assert mark.exists()


@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "/etc/hostname", "*/_ORT_MEM_ADDR_/*"])
def test_a_network_reads_no_other_file_and_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    weights = np.arange(4, dtype=np.float32)
    for folder in (".", ".."):
        Path(folder, "weights.bin").write_bytes(weights.tobytes())
    content = adds(outside(place, weights.ctypes.data if "MEM" in place else 0)).SerializeToString()
    with pytest.raises(DataError, match=r"has weights outside of its file \('w'\)"):
        open_session(content)
    with pytest.raises(DataError, match="has weights outside of its file"):
        merged([content, adds().SerializeToString()])  # as layers of a base


def test_weights_outside_are_found_wherever_a_network_may_have_them() -> None:
    in_a_node = adds(node=helper.make_node("Constant", [], ["y"]))
    in_a_node.graph.node[0].attribute.append(helper.make_attribute("value", outside("weights.bin")))
    sparse = adds()
    sparse.graph.sparse_initializer.add().values.CopyFrom(outside("weights.bin"))
    unmarked = adds()  # some readers go by the one field, and some by the other
    unmarked.graph.initializer[0].external_data.add().key = "location"
    for network in (in_a_node, sparse, unmarked):
        with pytest.raises(DataError, match="has weights outside of its file"):
            open_session(network.SerializeToString())


@pytest.mark.parametrize(("domain", "operator"), [("stranger", "Evil"), ("com.microsoft", "EPContext")])
def test_a_network_uses_no_operators_of_libraries(domain: str, operator: str) -> None:
    node = helper.make_node(operator, ["x"], ["y"], domain=domain, ep_cache_context="/etc/hostname", embed_mode=0)
    with pytest.raises(DataError, match=f"has an operator of another domain .'{operator}' of '{domain}'"):
        open_session(adds(node=node).SerializeToString())


def test_a_network_has_no_loops_and_no_functions() -> None:
    loop = helper.make_node("Loop", ["", "", "x"], ["y"], body=adds().graph)
    with pytest.raises(DataError, match=r"has a graph within its graph \('Loop'\)"):
        open_session(adds(node=loop).SerializeToString())
    network = adds()
    network.functions.add().name = "f"
    with pytest.raises(DataError, match="has functions besides its graph"):
        open_session(network.SerializeToString())


@pytest.mark.parametrize("content", [b"", b"\x80\x04junk", b"\x3a" * 100_000], ids=["empty", "junk", "nested"])
def test_what_is_no_network_is_refused_in_one_line(content: bytes) -> None:
    for attempt in (lambda: open_session(content), lambda: merged([content, content])):
        with pytest.raises(DataError) as refused:
            attempt()
        assert "\n" not in str(refused.value)


def test_a_network_that_wants_more_memory_than_there_is_does_not_end_the_program() -> None:
    size = numpy_helper.from_array(np.array([10**15]), "w")
    network = adds(size, helper.make_node("ConstantOfShape", ["w"], ["large"]))
    network.graph.node.append(helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0))
    network.graph.node.append(helper.make_node("Add", ["x", "sum"], ["y"]))
    with pytest.raises(DataError, match=r"onnxruntime refuses a network|a network fails"):
        run(open_session(network.SerializeToString()), np.zeros((1, *SHAPE), np.float32))


# numbers


def _with(values: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copied = dict(values) if isinstance(values, dict) else list(values)
    copied[place[0]] = _with(copied[place[0]], place[1:], value)
    return copied


def _numbers(values: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there are numbers in a document."""
    if isinstance(values, dict | list):
        entries = values.items() if isinstance(values, dict) else enumerate(values)
        return [found for key, value in entries for found in _numbers(value, (*place, key))]
    return [place] if isinstance(values, int | float) else []


HUGE = ("1e308", "1e-320", "1" + "0" * 400, "1e999", "NaN", "-1", "1" + "0" * 5000, "true", '"9"')


@pytest.mark.parametrize("number", HUGE, ids=[*HUGE[:2], "10**400", *HUGE[3:6], "10**5000", *HUGE[7:]])
def test_absurd_numbers_in_a_package_or_base_are_planned_with_or_refused(tmp_path: Path, number: str) -> None:
    base = a_base(tmp_path / "base")
    package = a_package(tmp_path / "vehicle", base)
    refused: list[str] = []
    for path, read in ((package.folder / PACKAGE_FILE, read_package), (base.folder / BASE_FILE, read_base)):
        values = json.loads(path.read_text())
        for place in _numbers(values):
            path.write_text(json.dumps(_with(values, place, "@")).replace('"@"', number))
            try:
                found: Package | Base = read(path.parent)
                if isinstance(found, Package):
                    workload_of([found], base, layer_cost=[1.0] * 4)
            except RheostatError as error:
                refused.append(str(error))
        path.write_text(json.dumps(values))
    assert len(refused) >= 10
    assert [told for told in refused if "\n" in told] == []


def test_a_base_takes_no_pictures_that_would_fill_the_memory(tmp_path: Path) -> None:
    a_base(tmp_path)
    values = json.loads((tmp_path / BASE_FILE).read_text())
    values["preprocessing"]["height"] = 1_000_000
    (tmp_path / BASE_FILE).write_text(json.dumps(values))
    with pytest.raises(SettingsError, match="height is 1000000: must be at most 4096"):
        read_base(tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "\u202egpj.exe", " ", ""])
def test_a_name_cannot_move_the_cursor_of_a_terminal_or_split_a_line(tmp_path: Path, name: str) -> None:
    base = a_base(tmp_path / "base")
    with pytest.raises(SettingsError, match="printable text on one line"):
        a_package(tmp_path / "vehicle", base, name=name)
    with pytest.raises(SettingsError, match="printable text on one line"):
        a_package(tmp_path / "other", base, branch_points=[a_variant(base, 1, file=name)])
