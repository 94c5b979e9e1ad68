from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart import strategies, tasks
from headstart.core.backbone import Backbone
from headstart.core.budget import Budget
from headstart.core.features import Features, FeatureSpec
from headstart.core.strategy import Request, Settings, Strategy, Trial
from headstart.core.task import MULTILABEL, REGRESSION
from headstart.errors import BadOption, FrozenChanged, UnknownName
from headstart.strategies import finetune
from headstart.strategies.gradient import _arm, _training
from headstart.strategies.gradient._ladder import Pace, Plan, fitting, options
from headstart.strategies.gradient._trainee import Trainee
from headstart.strategies.gradient._training import balanced_loss
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, folds, shapes
from headstart.testing.strategy import check_nested, check_strategy, example
from headstart.train import choice as choices
from headstart.train.choice import Choice
from headstart.train.engines import ENGINES
from headstart.train.freeze import _digest
from headstart.train.loop import Outcome

QUICK = Settings(epochs=2, views=1)


def request(kind: str = "classification", *, per_class: int = 12, **changes) -> Request:
    dataset = shapes(kind, per_class=per_class)
    assert dataset.task is not None
    values = {
        "dataset": dataset,
        "task": dataset.task,
        "split": folds(dataset, parts=3, repeats=2),
        "features": MemoryExtractor(dataset),
        "backbone": TinyBackbone(),
        "settings": QUICK,
    }
    return Request(**{**values, **changes})


def same(a: Trial, b: Trial) -> bool:
    return np.array_equal(a.predictions.array, b.predictions.array, equal_nan=True)


@pytest.mark.parametrize("name", ["finetune", "full", "scratch"])
@pytest.mark.parametrize("kind", ["classification", MULTILABEL, REGRESSION])
def test_predicts_the_first_repeat(name: str, kind: str) -> None:
    asked = request(kind)
    strategy = strategies.get(name)
    assert isinstance(strategy, Strategy)
    before = asked.backbone.digest
    trial = strategy.fit(asked)
    assert trial.status == "done"
    assert trial.arm == f"tiny: {name}"
    assert trial.predictions.array.shape == (2, len(asked.dataset), asked.task.outputs)
    assert trial.predictions.array.dtype == np.float32
    assert np.isfinite(trial.predictions.array[0]).all()
    assert np.isnan(trial.predictions.array[1]).all()
    if kind == "classification":
        assert np.abs(trial.predictions.array[0].sum(1) - 1).max() < 1e-5
    assert asked.backbone.digest == before
    json.dumps(trial.choices)
    assert strategy.cost(asked, 1.0).seconds > 0


@pytest.mark.parametrize("name", ["finetune", "full", "scratch", "finetune-slow"])
@pytest.mark.parametrize("kind", ["classification", MULTILABEL, REGRESSION])
def test_conforms(name: str, kind: str, tmp_path: Path) -> None:
    check_strategy(strategies.get(name), example(kind, settings=QUICK), workdir=tmp_path)


def test_learns() -> None:
    asked = request(per_class=24, settings=Settings(epochs=12, lr=0.02))
    trial = strategies.get("full").fit(asked)
    assert (
        tasks.get("classification").scores["accuracy"].value(asked.dataset.y, trial.predictions.array[0])
        > 0.6
    )


@pytest.mark.parametrize("name", ["finetune", "full"])
def test_is_deterministic(name: str) -> None:
    asked = request()
    first = strategies.get(name).fit(asked)
    assert same(first, strategies.get(name).fit(asked))
    assert not same(first, strategies.get(name).fit(replace(asked, seed=1)))


def test_labels_of_held_out_rows_do_not_matter() -> None:
    asked = request()
    fold = asked.split.folds[0]
    y = np.array(asked.dataset.y)
    y[fold.test] = (y[fold.test] + 1) % 3
    changed = replace(asked, dataset=replace(asked.dataset, targets=y))
    for name in ("finetune", "full"):
        one, other = (strategies.get(name).fit(r).predictions.array[0, fold.test] for r in (asked, changed))
        assert np.array_equal(one, other)


def test_the_trunk_is_never_called(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request()
    strategies.get("finetune").fit(asked)  # everything is stored now

    def forbidden(*args: object) -> None:
        raise AssertionError("the trunk was called")

    for name in ("states", "full", "trunk"):
        monkeypatch.setattr(TinyBackbone, name, forbidden)
    monkeypatch.setattr(_training, "stage_depths", lambda backbone: {})
    trial = strategies.get("finetune").fit(asked)
    assert trial.choices["freeze"] == "middle"
    assert trial.cost.forward_passes == 0


class TestEngine:
    def test_what_a_trial_finds_is_used_recorded_and_kept(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        found, tried, used = Choice("channels-last", 2, 1.5, 0.9999), [], []
        monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "store"))
        monkeypatch.setattr(choices, "FROM_STEPS", 1)
        monkeypatch.setattr(choices, "trial", lambda *_, **how: [tried.append(how["steps"]), found][1])
        plain = _training.train
        monkeypatch.setattr(
            _training, "train", lambda *a, **how: [used.append(how["choice"]), plain(*a, **how)][1]
        )
        asked = request(workdir=tmp_path)
        trial = strategies.get("full").fit(asked)
        assert tried == [4 * 2 * 2]  # three folds and all rows, two epochs of 24 rows in batches of 16
        assert Choice.of(trial.choices["engine"]) == found
        strategies.get("full").refit(asked, trial)
        assert used == [found] * 4
        again = strategies.get("full").fit(replace(asked, workdir=tmp_path / "other"))
        assert len(tried) == 1
        assert same(again, trial)

    def test_float32_that_is_asked_for(self) -> None:
        trial = strategies.get("full").fit(request(engine="eager"))
        assert trial.choices["engine"] == Choice().to_json()
        assert "bfloat16" not in trial.reason

    def test_layers_are_computed_in_bfloat16_and_the_head_is_not(self) -> None:
        network = TinyBackbone()
        net = Trainee(network, network.cuts[0], 3).train()
        seen: dict[str, torch.dtype] = {}
        net.body.register_forward_hook(lambda _, given, out: seen.update(body=out.dtype))
        net.head.register_forward_hook(lambda _, given, out: seen.update(head=out.dtype))
        inputs = torch.from_numpy(network.example(2))
        for name, dtype in (("bfloat16", torch.bfloat16), ("eager", torch.float32)):
            assert ENGINES[name].z(net, inputs).dtype == torch.float32
            assert seen == {"body": dtype, "head": torch.float32}

    def test_a_design_of_before_there_were_engines_is_as_it_was(self) -> None:
        design = finetune.design_whole(request())
        assert "engine" not in design.to_json()
        assert finetune.Design.from_json(design.to_json()) == design
        half = replace(design, choice=Choice("bfloat16", 2, 2.0, 0.999))
        assert finetune.Design.from_json(json.loads(json.dumps(half.to_json()))) == half
        assert "in bfloat16" in _arm.summary(half, 3, 3)


class TestCut:
    def test_of_the_settings(self) -> None:
        asked = request(settings=replace(QUICK, freeze="stem"))
        trial = strategies.get("finetune").fit(asked)
        assert (trial.choices["cut"], trial.choices["freeze"]) == ("stem", "stem")

    def test_none_is_full_training(self) -> None:
        asked = request(settings=replace(QUICK, freeze="none"))
        assert same(strategies.get("finetune").fit(asked), strategies.get("full").fit(asked))

    def test_bad_names(self) -> None:
        with pytest.raises(UnknownName, match="middle"):
            strategies.get("finetune").fit(request(settings=replace(QUICK, freeze="midle")))
        with pytest.raises(BadOption, match="before the last"):
            strategies.get("finetune").fit(request(settings=replace(QUICK, freeze="pool")))

    def test_states_that_are_too_large_move_the_cut_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(finetune, "STATE_BYTES", 1)
        assert finetune.default_cut(request()) == ("last", "last")


class TestFrozen:
    def test_what_lies_before_the_cut_keeps_its_values(self) -> None:
        asked = request(per_class=50, settings=replace(QUICK, batch_size=64))
        design = finetune.design_cut(asked).lasting(3, 2)
        arm = _arm.open_arm(asked, design, finetune.Finetune.kind)
        trained = _training.train_on(arm, asked.split.development)
        old, new = asked.backbone.module.state_dict(), trained.backbone.module.state_dict()
        changed = {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])}
        assert changed == {"last"}
        assert not torch.equal(old["last.1.running_mean"], new["last.1.running_mean"])

    def test_a_change_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = _training.train

        def spoil(net, *args, **more):
            outcome = original(net, *args, **more)
            backbones[-1].module.stem[1].running_var += 1e-6
            return outcome

        backbones: list[TinyBackbone] = []
        copy = TinyBackbone.copy
        monkeypatch.setattr(TinyBackbone, "copy", lambda self: backbones.append(copy(self)) or backbones[-1])
        monkeypatch.setattr(_training, "train", spoil)
        with pytest.raises(FrozenChanged):
            strategies.get("finetune").fit(request())

    def test_digest_covers_buffers(self) -> None:
        module = TinyBackbone().module
        names = tuple(sorted(module.state_dict()))
        before = _digest(module, names)
        module.stem[1].num_batches_tracked += 1
        assert _digest(module, names) != before


class TestResume:
    def test_killed_in_a_fold_and_continued(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = request(workdir=tmp_path / "whole", settings=Settings(epochs=6, views=1))
        whole = strategies.get("finetune").fit(asked)
        monkeypatch.setattr("headstart.train.loop.SAVE_SECONDS", 0.0)
        asked = replace(asked, workdir=tmp_path / "parts")
        steps = 0

        def interrupt(what: str, done: int, total: int) -> None:
            nonlocal steps
            steps += what.startswith("training")
            if steps == 7:
                steps += 1
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            strategies.get("finetune").fit(replace(asked, progress=interrupt))
        assert list((tmp_path / "parts").glob("*.ckpt"))
        seen: list[int] = []
        resumed = strategies.get("finetune").fit(
            replace(asked, progress=lambda what, done, total: seen.append(done))
        )
        assert same(whole, resumed)
        assert len(seen) < 6 * 2 * 3 + 3  # less than all steps of all folds
        assert not list((tmp_path / "parts").glob("*.ckpt"))

    def test_finished_folds_are_not_trained_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = request(workdir=tmp_path)
        first = strategies.get("full").fit(asked)
        monkeypatch.setattr(_arm, "train_on", None)
        assert same(first, strategies.get("full").fit(asked))


class TestBudget:
    def pace(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        monkeypatch.setattr(_arm, "measure", lambda arm: Pace(seconds, 2))
        monkeypatch.setattr(_arm, "seconds_of_passes", lambda request, cut: (0.0, 0.0))

    def test_folds_and_epochs_that_fit(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.pace(monkeypatch, 1.0)
        minute = Budget(60.0, lambda: 0.0)  # however busy the machine is
        asked = request(settings=Settings(views=0), budget=minute, workdir=tmp_path)
        trial = strategies.get("finetune").fit(asked)
        # 30 epochs of 2 steps take 69 s with the margin; at half of them (20) not even one fold and
        # the model on all rows fit: 12 epochs do, and rather two folds of 8
        assert (trial.choices["epochs"], trial.choices["trained_folds"]) == (8, 2)
        assert "2 of 3 folds" in trial.reason
        assert np.isfinite(trial.predictions.array[0]).all(1).sum() == 24
        self.pace(monkeypatch, 0.001)  # a faster machine now: the settled plan stays
        assert same(trial, strategies.get("finetune").fit(asked))

    def test_epochs_set_by_hand_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pace(monkeypatch, 1.0)
        asked = request(settings=Settings(views=0, epochs=4), budget=Budget(30.0))
        trial = strategies.get("finetune").fit(asked)
        assert (trial.choices["epochs"], trial.choices["trained_folds"]) == (4, 2)

    def test_nothing_fits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pace(monkeypatch, 100.0)
        # the model on all rows among them: two epochs, of new weights twenty of the eighty aimed at
        for name, lacks in (("finetune", "14 min 50 s"), ("full", "14 min 50 s"), ("scratch", "2 h 33 min")):
            trial = strategies.get(name).fit(request(settings=Settings(views=0), budget=Budget(30.0)))
            assert trial.status == "cut off"
            assert trial.reason == f"would have taken about {lacks} more"
            assert np.isnan(trial.predictions.array).all()

    def test_what_cannot_fit_is_settled_before_the_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = request(settings=Settings(views=1), budget=Budget(30.0, lambda: 0.0))
        passes: list[str] = []

        class Knows:
            def __call__(self, backbone: Backbone, spec: FeatureSpec) -> Features:
                passes.append(spec.cut or "")
                return asked.features(backbone, spec)

            def missing(self, backbone: Backbone, spec: FeatureSpec) -> float:
                return lacks

        def status(once: float, behind: float) -> str:
            monkeypatch.setattr(_arm, "seconds_of_passes", lambda request, cut: (once, behind))
            return strategies.get("finetune").fit(replace(asked, features=Knows())).status

        self.pace(monkeypatch, 1e-3)
        lacks = 1.0
        assert status(1.0, 100.0) == "cut off"  # the training alone
        assert status(16.0, 0.0) == "cut off"  # two views
        assert not passes
        lacks = 0.0
        assert status(16.0, 0.0) == "done"
        assert passes == ["middle"]

    def test_time_runs_out_in_a_fold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pace(monkeypatch, 1e-6)

        class Clock:
            now = 0.0

            def __call__(self) -> float:
                return self.now

        def tick(what: str, done: int, total: int) -> None:
            clock.now += what.startswith("training")

        clock = Clock()
        asked = request(settings=Settings(views=0), budget=Budget(90.0, clock), progress=tick)
        trial = strategies.get("finetune").fit(asked)  # 60 steps a fold, a second each
        assert trial.status == "cut off"
        assert "1 of 3 folds" in trial.reason
        assert np.isfinite(trial.predictions.array[0]).all(1).sum() == 12

    def test_real_time_is_kept(self) -> None:
        budget = Budget(1.5)
        trial = strategies.get("full").fit(request(per_class=60, settings=Settings(), budget=budget))
        assert budget.spent < 1.5 * 1.1
        assert trial.status in ("done", "cut off")


def test_a_loss_that_is_never_finite_ends_the_arm_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_training, "train", lambda net, batches, recipe, **more: Outcome("diverged", 3))
    trial = strategies.get("finetune").fit(request())
    assert trial.status == "failed"
    assert trial.reason == "the loss was not finite, even at a learning rate of 0.0003"


def test_one_failure_lowers_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    original, rates = _training.train, []

    def fail_once(net, batches, recipe, **more):
        rates.append(recipe.lr)
        outcome = original(net, batches, recipe, **more)
        return replace(outcome, status="diverged") if len(rates) == 1 else outcome

    monkeypatch.setattr(_training, "train", fail_once)
    trial = strategies.get("finetune").fit(request(settings=replace(QUICK, lr=0.01)))
    assert trial.status == "done"
    assert rates[:3] == [0.01, 0.001, 0.01]
    assert [fold["lr"] for fold in trial.choices["folds"]] == [0.001, 0.01, 0.01]


class TestRefit:
    @pytest.mark.parametrize("name", ["full", "scratch"])
    def test_ships_the_preparation_it_was_trained_with(self, name: str) -> None:
        backbone = TinyBackbone()
        contract = replace(backbone.source.input, interpolation="bicubic", crop_mode="squash")
        backbone.source = replace(backbone.source, input=contract)
        asked = request(backbone=backbone)
        strategy = strategies.get(name)
        found = strategy.refit(asked, strategy.fit(asked)).input
        assert (found.interpolation, found.crop_mode) == ("bilinear", "center")

    @pytest.mark.parametrize("name", ["finetune", "full", "scratch"])
    @pytest.mark.parametrize("kind", ["classification", REGRESSION])
    def test_tensors_reproduce_the_training(self, name: str, kind: str) -> None:
        asked = request(kind)
        strategy = strategies.get(name)
        trial = strategy.fit(asked)
        model = strategy.refit(asked, trial)
        assert model.net["kind"] == "taps"
        assert model.net["taps"] == ["pool/g1"]
        assert bool(model.source) == (name != "scratch")
        other = TinyBackbone(99)
        trunk = {k[6:]: torch.from_numpy(v) for k, v in model.tensors.items() if k.startswith("trunk.")}
        other.module.load_state_dict(trunk)
        pixels = MemoryExtractor(asked.dataset)(None, FeatureSpec(inputs=24)).inputs()
        with torch.inference_mode():
            features = other.pool(
                other.full(other.normalise(torch.from_numpy(pixels.copy()))), other.embedding
            )
        logits = features.numpy() @ model.tensors["head.weight"].T + model.tensors["head.bias"]
        found = tasks.get(kind).activate(logits)
        design = _training.Design.from_json(trial.choices)
        arm = _arm.open_arm(asked, design, strategy.kind)
        trained = _training.train_on(arm, asked.split.development)
        assert trained.outcome.steps == trial.choices["steps"]
        expected = _training.predict(arm, trained, np.arange(len(asked.dataset)))
        assert np.abs(found - expected).max() < (5e-3 if name == "finetune" else 1e-4)  # states are float16


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (Settings(optimizer="lion"), BadOption),
        (Settings(augment="crop-flop"), UnknownName),
        (Settings(lr=-1.0), BadOption),
        (Settings(epochs=0), BadOption),
        (Settings(batch_size=0), BadOption),
    ],
)
@pytest.mark.parametrize("name", ["finetune", "full", "scratch"])
def test_settings_nobody_can_follow(name: str, settings: Settings, error: type[Exception]) -> None:
    with pytest.raises(error):
        strategies.get(name).fit(request(settings=settings))


def test_the_loss_counts_classes_as_the_metric_does() -> None:
    asked = example(per_class=4)
    y = np.asarray(asked.dataset.y)
    rows = np.concatenate([np.flatnonzero(y == 0)[:1], np.flatnonzero(y == 1)[:3]])
    z, targets = torch.randn(4, asked.task.outputs), torch.from_numpy(y[rows])
    plain = balanced_loss(asked, rows)(z, targets)
    torch.testing.assert_close(plain, tasks.get("classification").loss(z, targets))
    alike = replace(asked, task=tasks.judged_by(asked.task, "balanced-accuracy"))
    torch.testing.assert_close(
        balanced_loss(alike, rows)(z, targets), plain * torch.tensor([2, 2 / 3, 2 / 3, 2 / 3])
    )


def test_what_begins_as_a_probe_would_rather_have_two_folds_than_more_epochs() -> None:
    pace = Pace(1.0, 1)
    chosen = {
        warm: [
            fitting(pace, left, epochs=30, folds=5, plans=options(30, 5, warm=warm)) for left in (220, 60, 25)
        ]
        for warm in (False, True)
    }
    assert chosen[False] == [Plan(30, 5), Plan(20, 1), Plan(8, 1)]
    assert chosen[True] == [Plan(30, 5), Plan(12, 2), Plan(5, 2)]
    assert set(options(30, 5, warm=True)) > set(options(30, 5)), "whatever fits, something is done"
    assert [plan.epochs for plan in options(30, 1, warm=True)] == [30, 20, 12, 8, 5, 3, 2]
    assert [plan.epochs for plan in options(30, 1)] == [30, 20, 12, 8], "new weights: a quarter at the least"
    assert min(plan.epochs for plan in options(80, 5)) == 20


@pytest.mark.parametrize("name", ["finetune", "full"])
def test_a_fold_that_pauses_goes_on_where_it_was(name: str, tmp_path: Path) -> None:
    strategy = strategies.get(name)
    asked = request(settings=Settings(epochs=6, views=1))
    whole = strategy.fit(replace(asked, workdir=tmp_path / "whole"))
    steps = []
    for part in (1 / 9, 1 / 3):
        trial = strategy.fit(replace(asked, workdir=tmp_path / "parts", part=part, folds=1))
        assert (trial.status, trial.choices["part"]) == ("cut off", part)
        fold = asked.split.folds[0]
        assert np.array_equal(np.flatnonzero(trial.covered[0]), fold.test), "what it would predict now"
        assert trial.cost.fold >= trial.cost.seconds
        steps.append(trial.predictions.array)
    assert not np.array_equal(*steps, equal_nan=True)
    trial = strategy.fit(replace(asked, workdir=tmp_path / "parts"))
    assert same(trial, whole), "bit for bit"
    assert "part" not in trial.choices
    assert trial.choices["folds"] == whole.choices["folds"]


def test_the_cut_may_be_chosen_by_the_profile_of_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fold by its own training rows: the stage whose tap has the least error, or the last but one."""
    strategy, asked = strategies.get("finetune"), request(settings=replace(QUICK, freeze="auto"))
    asked = replace(asked, split=folds(asked.dataset, parts=3, repeats=1))
    stages = [stage.name for stage in asked.network.stages]
    profile = strategies.get("probe").fit(asked).choices["profile"]
    best = min(profile, key=lambda tap: profile[tap]["mse"]).partition("/")[0]
    trial = strategy.fit(asked)
    assert trial.choices["automatic"]
    assert trial.choices["freeze"] == (best if best in stages[:-1] else stages[-2])
    assert all(fold["freeze"] in stages[:-1] for fold in trial.choices["folds"])
    check_nested(strategy, asked, trial)
    strategies.check(asked.settings, "image", lambda: [asked.network])

    first = asked.split.folds[0].train
    chosen = lambda _, rows: stage_of(asked, "stem" if np.array_equal(rows, first) else "middle")  # noqa: E731
    monkeypatch.setattr(finetune, "automatic_cut", chosen)
    mixed = strategy.fit(asked)
    assert [fold["freeze"] for fold in mixed.choices["folds"]] == ["stem", "middle", "middle"]
    assert mixed.choices["freeze"] == "middle"
    for name, where in (("stem", first), ("middle", asked.split.folds[1].train)):
        alone = strategy.fit(replace(asked, settings=replace(QUICK, freeze=name)))
        held = np.setdiff1d(asked.split.development, where)
        assert np.array_equal(mixed.predictions.array[0, held], alone.predictions.array[0, held])
    assert strategy.refit(asked, mixed).tensors.keys() == strategy.refit(asked, trial).tensors.keys()


def stage_of(asked: Request, name: str) -> tuple[str, str]:
    return next((stage.name, stage.cut) for stage in asked.network.stages if stage.name == name)
