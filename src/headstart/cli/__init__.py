"""The command line: one command a file; parse, call run, print."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Collection
from typing import Annotated

import typer

from headstart import __version__
from headstart.core import words
from headstart.errors import HeadstartError

COMMANDS = (
    "fit", "plan", "rank", "check", "shift", "predict", "evaluate", "label-next", "adapt", "report", "compare",
    "export", "serve", "watch", "verify", "sources", "cache", "demo", "pretrain",
)  # fmt: skip
"""Each is a function `NAME_command` in the module of its name here (`plan` in that of `fit`), or its
`group`."""

RESUMABLE = ("fit", "demo", "pretrain", "adapt")


def build(asked: Collection[str] = ()) -> typer.Typer:
    """The application with every command; where one of them is `asked` for, with nothing else: the others
    need not be imported."""
    app = typer.Typer(
        name="headstart",
        help="Transfer learning that measures: the best model your labels can buy, and the proof.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root_command(
        version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    ) -> None:
        if version:
            sys.stdout.write(f"headstart {__version__}\n")
            raise typer.Exit

    for name in [name for name in COMMANDS if name in asked] or COMMANDS:
        own = name.replace("-", "_")
        module = importlib.import_module(f"headstart.cli.{'fit' if own == 'plan' else own}")
        if hasattr(module, "group"):
            app.add_typer(module.group)
        else:
            app.command(name)(getattr(module, f"{own}_command"))
    return app


def main() -> None:
    """Entry point. A user's mistake is one sentence on stderr and exit code 2; Ctrl-C is 130, SIGTERM 143."""
    ended: list[int] = []

    def end(number: int, frame: object) -> None:  # noqa: ARG001
        signal.signal(number, signal.SIG_DFL)  # the second one does not wait for anything
        ended.append(number)
        raise KeyboardInterrupt

    # a scheduler's way of saying what Ctrl-C says
    signal.signal(signal.SIGTERM, end)
    try:
        code = build(sys.argv[1:2])(standalone_mode=False)
    except HeadstartError as error:
        fail(str(error), 2)
    except typer.Exit as leave:
        code = leave.exit_code
    except typer.TyperException as error:
        tell = getattr(error, "format_message", error.__str__)
        fail(tell(), getattr(error, "exit_code", 2))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        full = error.errno == errno.ENOSPC
        hope = "; free some space and repeat the command: what is finished is kept" if full else ""
        fail(f"{error.filename or 'the disk'}: {error.strerror or error}{hope}", 2)
    if code == 130:  # typer, too, turns Ctrl-C into this
        resumes = len(sys.argv) > 1 and sys.argv[1] in RESUMABLE
        hope = "; nothing finished is lost, and the same command goes on from here"
        fail(f"stopped{hope if resumes else ''}", 128 + ended[0] if ended else 130)
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str, code: int) -> None:
    """Say why on stderr and leave."""
    sys.stderr.write(f"headstart: {words.printable(message)}\n")
    sys.exit(code)
