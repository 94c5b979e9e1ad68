"""A process that is told to stop says one sentence, and its exit code says who told it."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import pytest

from headstart import cli


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_sigterm_does_what_ctrl_c_does(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cleaned = []

    def command(**_: Any) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)  # to pause would be to wait for ever where another thread takes the signal
        finally:
            cleaned.append("run folder")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli, "build", lambda *_: command)
    monkeypatch.setattr(sys, "argv", ["headstart", "fit", "photos"])
    try:
        with pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert left.value.code == code
    assert cleaned == ["run folder"]
    said = "headstart: stopped; nothing finished is lost, and the same command goes on from here\n"
    assert capsys.readouterr().err == said


def test_ctrl_c_before_anything_is_imported_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from headstart import __main__

    def stop(name: str, *_: Any, **__: Any) -> Any:
        if name == "headstart.cli":
            raise KeyboardInterrupt
        return real(name, *_, **__)

    real = __import__
    monkeypatch.setattr("builtins.__import__", stop)
    with pytest.raises(SystemExit) as left:
        __main__.main()
    assert left.value.code == 130
    assert capsys.readouterr().err == "headstart: stopped\n"
