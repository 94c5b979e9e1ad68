"""The Python face: `hs.fit`, and the run it returns. The command line calls the same functions."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.core import words
from headstart.core.events import Event, Listener, ignore
from headstart.core.evidence import Verdict
from headstart.core.files import write_json
from headstart.run.state.config import RunConfig
from headstart.run.state.folder import read_finished

if TYPE_CHECKING:
    import numpy as np

    from headstart.core.dataset import Dataset
    from headstart.data.checks.findings import Report
    from headstart.export.fresh import Standby
    from headstart.export.model import LoadedModel
    from headstart.insight.compare_runs import Versus
    from headstart.run.fit import Result
    from headstart.workflows.adapt import Adaptation
    from headstart.workflows.label_next import Proposal
    from headstart.workflows.rank import Ranking
    from headstart.workflows.shift import Shift
    from headstart.workflows.watch import Watched


class Run:
    """A finished run: its verdict, its leaderboard, its model. Everything is read from its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = read_finished(folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}: {self.verdict})"

    @property
    def verdict(self) -> str:
        """The verdict in one sentence."""
        return str(self.record["answer"]["verdict"]["sentence"])

    @property
    def outcome(self) -> str:
        """ "helps", "hurts", "no evidence" or "not compared"."""
        return str(self.record["answer"]["verdict"]["outcome"])

    def leaderboard(self) -> list[dict[str, Any]]:
        """One dict an arm, best first; metric values are fractions."""
        return [dict(row) for row in self.record["answer"]["rows"]]

    @property
    def insight(self) -> dict[str, Any]:
        """What else the held-out predictions tell (see the reference of insight.json): metrics, confusion,
        doubtful labels, ... Empty for a run of an older Headstart. Raises `RunError` when it is damaged."""
        from headstart.report import saved

        return saved.insight(self.folder)

    @property
    def model(self) -> LoadedModel:
        """The shipped model, opened from the run folder."""
        return open_model(self.folder)

    def drawn(self) -> Path:
        """The report page, drawn again from what the folder holds. Raises `RunError` when it cannot be
        written."""
        from headstart.errors import RunError
        from headstart.report import page, saved

        try:
            with saved.needed(self.folder):
                return page.rewrite(self.folder, self.record)
        except OSError as error:
            problem = f"report.html cannot be written ({error.strerror or error})"
            raise RunError(self.folder, problem, "free some space, or copy the run elsewhere") from error

    def report(self, path: str | Path | None = None) -> Path:
        """The report page; copied to `path` when one is given. Drawn again where it is missing."""
        page = self.folder / "report.html"
        if not page.is_file():
            self.drawn()
        return page if path is None else Path(shutil.copyfile(page, path))


def fit(data: Any, *, listen: Listener = ignore, **options: Any) -> Run:
    """Find the best model that transfer can give for `data`, and whether transfer helped.

    `data` is anything `headstart.load` reads. Options: `sources` (specs), `budget` ("10min", "3passes"),
    `quality` ("fast", "balanced", "best"), `until` (a value of the metric at which to stop), `out` (run
    folder), `seed`, `metric` (by what arms are judged), `strategies` (only these), `drop_bad`, `download`;
    those of `load` (`text_column`, `label_column`, `task`, ...); and the fields of `Settings` (`optimizer`,
    `lr`, `epochs`, `freeze`, ...). `split="domain"` holds out one domain in each fold. `target` are items of
    where the model will be used, without labels (so are the domains of `data` that have none): in the last
    third of the budget the shift is measured and the model adapted, if there is evidence that it would help
    (`adapt`); the run by the labels alone is in the folder `source` of what is returned.

    Raises `HeadstartError` for mistakes in data, sources or options, before anything is computed.
    The same call on the same folder resumes.
    """
    from headstart.export.fresh import Standby
    from headstart.run.fit import fit as run_fit

    config, fresh = RunConfig.of(data, options), Standby()
    try:
        with run_fit(config, listen, fresh) as (folder, result, target):
            if result is not None:
                conclude(result, config, fresh)
        return Run(folder) if target is None else _toward(folder, target, config, listen)
    finally:
        fresh.close()


def _toward(folder: Path, target: Dataset, config: RunConfig, listen: Listener) -> Run:
    """The run that is adapted to a target, or is that in `folder` where the guard says so; with its page."""
    from headstart.workflows.toward import toward

    done = toward(folder, target, config, listen, lambda place: open_model(place).predictor)
    listen(
        Event("model", {"path": str(done.folder / "model"), "summary": f"{done.decision}: {done.adapter}"})
    )
    run = Run(done.folder)
    listen(Event("report", {"path": str(run.drawn())}))
    return run


def conclude(result: Result, config: RunConfig, fresh: Standby | None = None) -> None:
    """Save the model with its proof and write the report. A fresh process is at work on the proof, and this
    one on what the report tells."""
    from headstart.export import bundle
    from headstart.insight.panels import insight_of
    from headstart.report import page, samples, saved
    from headstart.run.conclude import probes

    model, folder = result.answer.model, result.folder.path
    dataset, task = result.experiment.dataset, result.experiment.task
    context = result.networks
    with (
        context.timed("proof and page", context.closing.seconds()),
        ThreadPoolExecutor(1, thread_name_prefix="proof") as pool,
    ):
        proof = probes(model, pairs=dataset.pairs)
        saving = pool.submit(
            bundle.save, model, folder / "model", probes=proof, fresh=fresh, again=result.answer.again
        )
        insight = insight_of(result)
        shown = samples.gather(dataset, task, insight, said=result.said)
        path = saving.result()
    weight = sum(file.stat().st_size for file in path.iterdir())
    result.listen(
        Event("model", {"path": str(path), "summary": f"{result.answer.winner}, {words.size(weight)}"})
    )
    again = {
        "command": config.command(folder),
        "reading": config.written(),
        "from_path": config.from_path,
    }
    record = {**result.record, **again}
    write_json(folder / "pictures.json", shown)
    report = page.write(folder / "report.html", record, insight, shown, saved.events(folder))
    result.folder.write({**record, "complete": True})
    result.listen(Event("report", {"path": str(report)}))


def plan(data: Any, *, listen: Listener = ignore, **options: Any) -> dict[str, Any]:
    """The steps a `fit` with the same arguments would take, after measuring 32 items of each source."""
    from headstart.run.fit import preview

    return preview(RunConfig.of(data, options), listen)


def rank(data: Any, *, also: Sequence[str] = (), listen: Listener = ignore, **options: Any) -> Ranking:
    """Sources for `data`, best first, from one pass of each: nothing is trained.

    `data` is anything `headstart.load` reads. Options: `sources` (specs, or patterns such as
    "timm/mobilenet*"; by default those on this machine), `seed`, `metric`, `drop_bad`, `download`, and those
    of `load`; with `quality="fast"` more than three are told apart on some of the items, and three at most
    read all. `also` names further scores that decide nothing: "hscore", "transrate", "gbc", "parc", "nleep",
    "leep", "nce", or "all".

    Each row has `source`, `expected` (value, low, high: the metric of a linear model on new items),
    `score`, `tied` (not told apart from the first on the same items), `reason`, `seconds`. A source that
    breaks is in `left_out`. The same call gives the same ranking. Raises `HeadstartError`.

    >>> import headstart as hs
    >>> ranking = hs.rank("photos/", sources=["bundled/*"])  # doctest: +SKIP
    >>> [row.source for row in ranking if row.tied]  # doctest: +SKIP
    ['bundled/textures', 'bundled/strokes']
    >>> run = hs.fit("photos/", sources=[ranking.best])  # doctest: +SKIP
    """
    from headstart.workflows.rank import rank as run_rank

    return run_rank(RunConfig.of(data, options), also, listen)


def open_run(folder: str | Path) -> Run:
    """A finished run from its folder. Raises `RunError`."""
    return Run(Path(folder))


def compare(runs: Sequence[Run | str | Path]) -> Versus:
    """Are finished runs different, on the items that both held out? Each against the first.

    `runs` are two or more runs or their folders; no data is needed. Raises `BadOption` for fewer,
    `RunError` for what is no finished run, and for runs of other tasks, labels or items.
    """
    from headstart.insight.compare_runs import versus

    return versus([run.folder if isinstance(run, Run) else Path(run) for run in runs])


def open_model(path: str | Path) -> LoadedModel:
    """A model from a bundle folder, a .zip or a run folder. Raises `BundleError`."""
    from headstart.export.model import load_model

    return load_model(Path(path))


def check(data: Any, *, source: str | None = None, **reading: Any) -> Report:
    """Look at every item and label, and for near-duplicates; findings with stable codes, nothing changed.

    Texts are also measured against what `source` reads, by default the first that is on this machine.
    """
    from headstart.data import load
    from headstart.passes import near_duplicates

    return near_duplicates.check(load(data, **reading), source=source)


def label_next(
    run: Run | str | Path,
    data: Any,
    *,
    n: int = 20,
    labelled: Any = None,
    seed: int = 0,
    download: bool = False,
    **columns: str | None,
) -> Proposal:
    """The `n` items of `data` to label next, each with the reason.

    See `headstart.workflows.label_next.propose`.

    `data` is anything `LoadedModel.predict` takes; of tables the columns are those of the run's data unless
    they are named (`path_column`, `text_column`, `pair_column`). `labelled` is the run's own data where it is
    not to be found at the place it was read from. Raises `HeadstartError`.
    """
    from headstart.workflows.label_next import Wanted, propose

    done = run if isinstance(run, Run) else open_run(run)
    named = {name: column for name, column in columns.items() if column is not None}
    return propose(done.folder, done.model.predictor, data, Wanted(n, seed, labelled, download, named))


def shift(
    a: Run | Any,
    b: Any,
    *,
    source: str | None = None,
    page: str | Path | None = None,
    listen: Listener = ignore,
    **options: Any,
) -> Shift:
    """Is the target `b` like the source `a`, in what way is it not, and what to do about it?

    `a` is anything `headstart.load` reads, labelled or not, or a finished run (or its folder), whose model
    then answers and whose source gives the features; `b` anything `load` reads, whose labels are not looked
    at. Options: `seed`, `download`, `labelled` (the run's data, where it has moved), and those of `load`.
    `page` is a file to write what was found to, with pictures. What is found of a run is noted in its folder
    (shifts.json), and its page shows it once it is drawn again.

    `kind` is "none", "covariate" (items look different), "label" (classes are not as frequent), "both", or
    "concept" (what is known of the source does not carry over), with `reason` and `advice`; `warning` is said
    first: that the files alone tell the domains apart. Raises `HeadstartError`.

    >>> import headstart as hs
    >>> found = hs.shift("catalogue/", "phone/")  # doctest: +SKIP
    >>> found.kind, found.auc.value  # doctest: +SKIP
    ('covariate', 0.93)
    """
    from headstart.errors import UnknownName
    from headstart.run.state.config import READING
    from headstart.workflows.inputs.domains import Wanted
    from headstart.workflows.shift import note
    from headstart.workflows.shift import shift as run_shift

    own = ("seed", "download", "labelled")
    for name in options:
        if name not in own and name not in READING:
            raise UnknownName("option", name, [*own, *READING, "source", "page"])
    given = {name: value for name, value in options.items() if value is not None}
    reading = {name: value for name, value in given.items() if name not in own}
    wanted = Wanted(source, reading=reading, **{name: given[name] for name in own if name in given})
    place = a.folder if isinstance(a, Run) else a
    found = run_shift(place, b, wanted, listen, predictor=lambda folder: open_model(folder).predictor)
    if found.folder is not None:
        note(found.folder, found, listen)
    if page is not None:
        from headstart.report import shift as pages

        pages.write(Path(page), found)
    return found


def watch(
    run: Run | str | Path,
    inputs: Any,
    *,
    n: int = 20,
    risk: float | None = None,
    page: str | Path | None = None,
    listen: Listener = ignore,
    **more: Any,
) -> Watched:
    """Is what a run's model is asked still like what it learnt from, how often does it abstain at this
    `risk`, which `n` items to label next? `inputs` as `shift` takes its target; also `seed`, `labelled`,
    `download`, `path_column`, `text_column`, `pair_column`. Raises `HeadstartError`."""
    from headstart.workflows.watch import asked
    from headstart.workflows.watch import watch as run_watch

    done, wanted = run if isinstance(run, Run) else open_run(run), asked(more)
    found = run_watch(done.model.predictor, done.folder, inputs, wanted, n=n, risk=risk, listen=listen)
    if page is not None:
        from headstart.report import shift as pages

        pages.write(Path(page), found.shift, found)
    return found


def adapt(
    run: Run | str | Path,
    data: Any,
    *,
    labels: Any = None,
    out: str | Path | None = None,
    budget: str | float = "5min",
    listen: Listener = ignore,
    **more: Any,
) -> Adaptation:
    """Adapt a finished run to unlabelled items of where it will be used, if there is evidence that it would
    help.

    `data` is anything `LoadedModel.predict` takes. `labels` are labelled items of the same, looked at when
    all is decided: 50 of them overrule it; for numbers and sets of labels they alone decide. What is
    written to `out` (by default `RUN-adapted`) is a run whose model predicts, evaluates and exports like
    any other; with the decision "kept" it is the untouched model. Also `seed`, `labelled` (the run's own
    data, where it has moved), `download`, and of tables `path_column`, `text_column`, `pair_column`. Raises
    `HeadstartError`. The same call on the same folder resumes.

    >>> import headstart as hs
    >>> found = hs.adapt("runs/catalogue-1", "phone/")  # doctest: +SKIP
    >>> found.decision, found.reason  # doctest: +SKIP
    ('kept', 'do not adapt: no evidence that it would help; ...')
    >>> hs.open_run(found.folder).model.predict(["phone/1.jpg"])  # doctest: +SKIP
    """
    from headstart.workflows.adapt import Wanted
    from headstart.workflows.adapt import adapt as run_adapt

    done = run if isinstance(run, Run) else open_run(run)
    columns: dict[str, Any] = {
        name: more.pop(name) for name in ("path_column", "text_column", "pair_column") if name in more
    }
    place = done.folder.with_name(f"{done.folder.name}-adapted") if out is None else Path(out)
    named = {name: column for name, column in columns.items() if column is not None}
    wanted = Wanted(place, budget, labels, columns=named, **more)
    found = run_adapt(done.folder, done.model.predictor, data, wanted, listen)
    Run(found.folder).drawn()
    return found


def embed(data: Any, source: str, *, download: bool = False, **reading: Any) -> np.ndarray:
    """float32 `[N, width]`: the source's embedding of every item, through the feature store."""
    import numpy as np

    from headstart import sources
    from headstart.core.features import FeatureSpec
    from headstart.data import load
    from headstart.data.checks import doctor
    from headstart.passes.extractor import StoreExtractor
    from headstart.store.memo import Memo
    from headstart.store.store import FeatureStore

    dataset = doctor.levelled(load(data, **reading), memo=Memo())
    backbone = sources.load(source, download=download)
    tap = backbone.embedding
    rows = StoreExtractor(FeatureStore.default(), dataset)(backbone, FeatureSpec(taps=(tap,))).tap(tap)
    return rows[np.arange(len(dataset))].astype(np.float32)


__all__ = [
    "Run", "Verdict", "adapt", "check", "compare", "embed", "fit", "label_next", "open_model", "open_run",
    "plan", "rank", "shift", "watch",
]  # fmt: skip
