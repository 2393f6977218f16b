"""What can be asked over the network, by whoever may ask: paths, bodies, queries. Who may is in `tests/console`."""

import socket
import time
from pathlib import Path

import httpx
import pytest

from rheostat.share.node.events import Run, Sample
from rheostat.share.node.live import Node
from tests.console.fakes import FakeNode
from tests.share.node.toys import ample, colour_fleet, settings_for, video_of

RUN = Run(0.0, 1.0, Sample(0.5, 5, 0.9), 2)
JSON = {"content-type": "application/json"}


@pytest.fixture
def alive(tmp_path: Path):
    """A node that is not run: it answers all the same."""
    fleet = colour_fleet(tmp_path / "apps", ["red"])
    settings = settings_for(video_of(tmp_path / "v.mp4", ("grey", 0.5)), tmp_path)
    with Node(fleet, ample(fleet), settings) as made:
        yield made


def raw(client: httpx.Client, target: str) -> bytes:
    """The answer to a request whose path no client has tidied up."""
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port or 80), timeout=10) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "target",
    [
        "/static/../app.py",
        "/static/../../../../../../../../etc/hostname",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/..%5capp.py",
        "/static/..\\app.py",
        "/static//etc/hostname",
        "/static/%2fetc%2fhostname",
        "/static/console.css%00.html",
        "/api/events/../../app.py/snapshot",
        "/api/events/..%2f..%2fapp.py/snapshot",
    ],
)
def test_no_path_leads_out_of_what_is_served(client: httpx.Client, target: str) -> None:
    answer = raw(client, target)
    assert answer.split(b"\r\n")[0].split()[1] in (b"404", b"400", b"405")
    assert b"import" not in answer
    assert Path("/etc/hostname").read_bytes().strip() not in answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "folder", ["/etc", "/srv/../etc/package-x", "/", "package-x", "~/package-x", "/srvx/package-x"]
)
def test_an_app_is_taken_only_from_the_folders_of_the_operator(
    client: httpx.Client, node: FakeNode, folder: str
) -> None:
    answer = client.post("/api/apps", json={"folder": folder})
    assert (answer.status_code, "is not where this node takes packages from" in answer.json()["error"]) == (400, True)
    assert node.asked == []


def test_a_link_leads_out_of_the_folders_of_the_operator_no_more_than_a_path(
    client: httpx.Client, node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "package-elsewhere").mkdir()
    (tmp_path / "apps/package-x").symlink_to(tmp_path / "package-elsewhere")
    monkeypatch.setattr(node, "package_folders", lambda: (tmp_path / "apps",))
    assert client.post("/api/apps", json={"folder": str(tmp_path / "apps/package-x")}).status_code == 400
    assert node.asked == []


def test_the_folders_of_the_operator_are_those_of_the_plan_and_the_one_that_is_watched(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path / "apps", ["red"])
    (tmp_path / "watched").mkdir()
    settings = settings_for(video_of(tmp_path / "v.mp4", ("grey", 0.5)), tmp_path, watch=tmp_path / "watched")
    with Node(fleet, ample(fleet), settings) as made:
        assert set(made.package_folders()) == {tmp_path / "apps", tmp_path / "watched"}


@pytest.mark.parametrize("path", ["/api/budget", "/api/apps", "/api/nothing"])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(client: httpx.Client, node: FakeNode, path: str) -> None:
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port or 80), timeout=10) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 99999999999"
        connection.sendall(f"{head}\r\n\r\n{{".encode())
        assert connection.recv(65536).split()[1] == b"413"  # although nearly nothing of it has come
    assert client.post(path, content=b" " * 65537, headers=JSON).status_code == 413
    assert client.post(path, content=iter([b"{}"]), headers=JSON).status_code == 411  # no length is told
    assert node.asked == []


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"budget":' * 6_000, b'{"budget": ' + b"9" * 60_000 + b"}", b"\xff"])
def test_a_body_that_is_made_to_break_the_parser_is_refused(client: httpx.Client, node: FakeNode, body: bytes) -> None:
    answer = client.post("/api/budget", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert "\n" not in answer.json()["error"]
    assert (node.asked, client.get("/api/status").status_code) == ([], 200)


@pytest.mark.parametrize("said", ["' OR 1=1 --", "red' UNION SELECT * FROM cursors --", "%", "red\0"])
def test_what_is_asked_is_a_value_and_never_a_query(alive: Node, said: str) -> None:
    kept = alive.store.start("red", RUN, seen=1.0, source="s", plan="p")
    assert alive.events(app=said) == alive.events(before=said) == []
    assert alive.evidence(said, "snapshot") is None
    assert [event["id"] for event in alive.events(app="red")] == [kept.id]


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/hostname", "..", "a/../../secret.jpg"])
def test_a_store_that_was_tampered_with_gives_no_other_file_away(alive: Node, tmp_path: Path, name: str) -> None:
    (tmp_path / "out/evidence").mkdir(exist_ok=True)
    (tmp_path / "out/secret.jpg").write_bytes(b"secret")
    kept = alive.store.start("red", RUN, seen=1.0, source="s", plan="p")
    alive.store.attach(kept.id, snapshot=name)
    assert alive.evidence(kept.id, "snapshot") is None
    (tmp_path / "out/evidence/right.jpg").write_bytes(b"picture")
    alive.store.attach(kept.id, snapshot="right.jpg")
    assert alive.evidence(kept.id, "snapshot") == tmp_path / "out/evidence/right.jpg"


def test_a_request_that_never_ends_keeps_nobody_else_waiting(client: httpx.Client, node: FakeNode) -> None:
    host, port = client.base_url.host, client.base_url.port
    slow = [socket.create_connection((host, port or 80), timeout=10) for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        time.sleep(0.05)
        assert client.get("/api/status").status_code == 200
    finally:
        for connection in slow:
            connection.close()
