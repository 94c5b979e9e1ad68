"""The story of a run as a person reads it in the terminal: a listener of the run's events."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from headstart.core import words
from headstart.core.budget import words as seconds_in_words
from headstart.core.events import Event
from headstart.report import story

COLOURS = {"helps": "bold green", "hurts": "bold red", "no evidence": "bold yellow", "not compared": "bold"}

SUMMED = {"sources": "sources", "search": "search", "race": "race", "plan": "plan", "done": "time"}
"""Events of one line, and the label it stands under."""
WIDE = 180
"""Columns where there is no terminal: a log file has no edge, and names must not be folded."""


NARROW = 40
"""Letters of the column that holds a score, or why there is none."""


def plain_console() -> Console:
    """Standard output; no colours and no folding where it is not a terminal."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=WIDE)


class Bar:
    """One step's progress with rate and time left; shown only on a terminal, gone when the step is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: Progress | None = None
        self._task: Any = None
        self._key: tuple[str, str] | None = None
        self._start = (0.0, 0)

    def update(self, data: Mapping[str, Any]) -> None:
        """Show `done` of `total` of what an arm is at."""
        if not self._console.is_terminal:
            return
        key, done, total = (data["arm"], data["what"]), data["done"], data["total"]
        if self._shown is None or self._key != key:
            self.end()
            self._key, self._start = key, (time.monotonic(), done)
            self._shown = Progress(
                TextColumn("{task.fields[label]:<9}"),
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                console=self._console,
                transient=True,
            )
            self._shown.start()
            label = "pass" if data["what"].startswith("pass") else "run"
            name = escape(words.cell(data["arm"]))
            self._task = self._shown.add_task(name, total=total, label=label, rate="")
        start, before = self._start
        passed, rate = time.monotonic() - start, ""
        if done > before and passed > 0:  # what was stored before the bar began does not count
            pace = (done - before) / passed
            rate = f"{pace:,.0f}/s, {seconds_in_words((total - done) / pace)} left"
        self._shown.update(self._task, completed=done, total=total, rate=rate)

    def end(self) -> None:
        """Remove the bar."""
        if self._shown is not None:
            self._shown.stop()
        self._shown = self._task = self._key = None


class Story:
    """Prints events as they come. On a terminal with live bars, elsewhere as plain lines."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or plain_console()
        self._bar = Bar(self.console)

    def __call__(self, event: Event) -> None:
        if event.kind != "progress":
            self._bar.end()
        if event.kind in SUMMED:
            self.line(SUMMED[event.kind], event.data["summary"])
        elif tell := getattr(self, f"_on_{event.kind}", None):
            tell(event.data)

    def close(self) -> None:
        """Remove a bar that is still shown (after Ctrl-C, say)."""
        self._bar.end()

    def line(self, label: str, text: str, style: str = "") -> None:
        self.console.print(Text(f"{label:<9} ", style="dim") + Text(words.printable(text), style=style))

    # one method an event of more than a line

    def _on_data(self, data: Mapping[str, Any]) -> None:
        self.line("data", data["summary"])
        for finding in data.get("findings", ()):
            self.line("", finding, style="yellow")

    def _on_note(self, data: Mapping[str, Any]) -> None:
        self.line(data.get("label", "note"), data["text"])

    def _on_progress(self, data: Mapping[str, Any]) -> None:
        self._bar.update(data)

    def _on_trial(self, data: Mapping[str, Any]) -> None:
        cost = seconds_in_words(data["seconds"])
        if data["status"] == "done" and data["score"] is not None:
            metric = data["metric"]
            score = words.estimate(metric, data["score"], data["low"], data["high"])
            score += f" on {data['covers']}" if data.get("covers") else ""
            kept = "   (from the run folder)" if data.get("kept") else ""
            self.line("run", f"{data['arm']:<44} {metric} {score}   {cost}{kept}")
        else:
            self.line("run", f"{data['arm']:<44} {data['status']}: {data['reason']}", style="yellow")

    def _on_first_verdict(self, data: Mapping[str, Any]) -> None:
        after = f"   (after {seconds_in_words(data['seconds'])})"
        self.line("so far", data["sentence"] + after, style=COLOURS.get(data["outcome"], ""))

    def _on_leaderboard(self, data: Mapping[str, Any]) -> None:
        self.console.print()
        self.console.print(leaderboard(data["rows"], data["metric"], data["reference"]))

    def _on_domains(self, data: Mapping[str, Any]) -> None:
        self.console.print()
        self.console.print(domains(data))

    def _on_verdict(self, data: Mapping[str, Any]) -> None:
        self.console.print()
        self.console.print(Text(words.printable(data["sentence"]), style=COLOURS.get(data["outcome"], "")))
        for note in data.get("notes", ()):
            self.console.print(Text(words.printable(note)))
        self.console.print()

    def _on_model(self, data: Mapping[str, Any]) -> None:
        self.line("model", f"{data['path']} ({data['summary']})")

    def _on_report(self, data: Mapping[str, Any]) -> None:
        self.line("report", str(data["path"]))


def leaderboard(rows: Sequence[Mapping[str, Any]], metric: str, reference: str | None) -> Table:
    """The arms as a table, best first; arms without a score last, with their reason."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("arm", overflow="fold")
    table.add_column(metric, max_width=NARROW)  # a reason in its place must not spread the numbers
    table.add_column("items", justify="right")
    table.add_column(f"against {reference}" if reference else "gain")
    table.add_column("cost", justify="right")
    for row in rows:
        score, gained, items = story.arm_cells(row, metric)
        place = str(row["place"]) if row.get("place") else ""
        name = f"{row['arm']} *" if row.get("shipped") else row["arm"]
        style = "bold" if row.get("shipped") else "" if row["score"] is not None else "dim"
        table.add_row(
            place,
            Text(words.cell(name)),
            Text(words.cell(score)),
            items,
            gained,
            seconds_in_words(row["seconds"]),
            style=style,
        )
    return table


def domains(found: Mapping[str, Any]) -> Table:
    """Each domain with the score of the shipped arm when it was held out."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in story.domain_heads(found["arm"]):
        table.add_column(head, overflow="fold")
    for row in found["rows"]:
        table.add_row(*map(Text, story.domain_cells(row, found["metric"])))
    return table
