"""A model over HTTP: the answers of `predict`, refusals as sentences, and an end that loses nothing."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart import strategies
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.data.items.entries import BytesItem
from headstart.modalities.text.encoding.words import WordEncoder
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.predict.answers import as_json
from headstart.predict.predictor import Predictor, predict
from headstart.predict.selective import held_out
from made import rows
from made.models import tiny_images, tiny_model

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

from headstart.serve.app import Server, application  # noqa: E402
from headstart.serve.asking.limits import Limits  # noqa: E402

USUAL = Limits()

Ask = Callable[..., tuple[int, Any, Mapping[str, str]]]
WORDS = ("late", "broken", "lovely", "thanks")


class Slow(Predictor):
    """Takes its time, and notes how many items it was given at once."""

    seconds, sizes = 0.0, []

    def scores(self, prepared: np.ndarray) -> np.ndarray:
        self.sizes.append(len(prepared))
        time.sleep(self.seconds)
        return super().scores(prepared)


def of_texts() -> Model:
    rng = np.random.default_rng(0)
    tensors = {
        "words.idf": np.ones(len(WORDS), np.float32),
        "head.weight": rng.normal(size=(2, len(WORDS))).astype(np.float32),
        "head.bias": np.zeros(2, np.float32),
    }
    reads = TextPreprocessing(WordEncoder(WORDS).to_json(), max_length=16)
    task = Task("classification", ("bad", "good"), "accuracy")
    evidence = {"data": {"pairs": False}}
    return Model(task, reads, {"kind": "words", "pairs": False}, tensors, evidence=evidence)


def of_images() -> Model:
    model, rng = tiny_model(), np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 200)
    return replace(model, evidence={**model.evidence, "held_out": held_out(rng.integers(0, 3, 200), p)})


@contextmanager
def serving(model: Model, limits: Limits = USUAL, seconds: float = 0.0) -> Iterator[tuple[Ask, Slow, Any]]:
    predictor = Slow(model)
    predictor.seconds, predictor.sizes = seconds, []
    server = Server(predictor, limits)
    config = uvicorn.Config(application(server), port=0, log_level="critical", timeout_graceful_shutdown=5)
    process = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        thread = threading.Thread(target=process.run, kwargs={"sockets": [listening]})
        thread.start()

        def ask(method: str, path: str, body: Any = None, kind: str = "", **headers: str) -> Any:
            given = {"Content-Type": kind, **headers} if kind else dict(headers)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.request(method, path, body, given)
                answer = connection.getresponse()
                content = answer.read()
                told = json.loads(content) if "json" in answer.headers["Content-Type"] else content.decode()
                return answer.status, told, answer.headers
            finally:
                connection.close()

        ask.port = port  # type: ignore[attr-defined]
        try:
            yield ask, predictor, process
        finally:
            process.should_exit = True
            thread.join(20)
    assert not thread.is_alive()


def png(number: int = 0, side: int = 32) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tiny_images(1, side=side, seed=number)[0].transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def images() -> Iterator[Ask]:
    with serving(of_images(), Limits(bytes=100_000)) as (ask, _, _):
        yield ask


@pytest.fixture(scope="module")
def texts() -> Iterator[Ask]:
    with serving(of_texts(), Limits(texts=4)) as (ask, _, _):
        yield ask


def test_an_answer_is_that_of_predict(images: Ask) -> None:
    status, told, _ = images("POST", "/predict?sets=0.9&top=2", png(), "image/png")
    row = predict(of_images(), [BytesItem("image 1", png())])[0]
    expected = as_json(row, of_images().task, 2)
    assert status == 200
    (found,) = told["predictions"]
    assert {name: found[name] for name in expected} == expected
    assert set(found["set"]) <= {"ant", "bee", "wasp"}


def test_several_texts_have_an_answer_each_and_a_lone_one_too(texts: Ask) -> None:
    given = ["so late", "lovely, thanks", "grüße"]
    status, told, _ = texts("POST", "/predict", json.dumps({"texts": given}), "application/json")
    expected = [as_json(row, of_texts().task) for row in predict(of_texts(), given)]
    assert (status, told["predictions"]) == (200, expected)
    status, told, _ = texts("POST", "/predict", "so late", "text/plain; charset=utf-8")
    assert (status, told["predictions"]) == (200, expected[:1])


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "says"),
    [
        ("/predict", b"", "image/png", 400, "empty"),
        ("/predict", b"no picture", "image/png", 422, "image 1"),
        ("/predict", png()[:90], "image/png", 422, "image 1"),
        ("/predict", b"x", "text/plain", 415, "reads images: send image/*"),
        ("/predict", b"x", "", 415, "nothing"),
        ("/predict", b"x" * 100_001, "image/png", 413, "100,000 bytes"),
        ("/predict?sets=2", png(), "image/png", 422, "between 0 and 1"),
        ("/predict?sets=nan", png(), "image/png", 422, "between 0 and 1"),
        ("/predict?top=0", png(), "image/png", 422, "at least 1"),
        ("/predict?top=many", png(), "image/png", 422, "not a number"),
        ("/predict?file=/etc/passwd", png(), "image/png", 422, "no option 'file'"),
        ("/nowhere", b"x", "image/png", 404, "openapi.json"),
        ("/healthz", b"x", "image/png", 405, "openapi.json"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    images: Ask, path: str, body: bytes, kind: str, status: int, says: str
) -> None:
    found, told, _ = images("POST", path, body, kind)
    assert (found, list(told)) == (status, ["error"])
    assert says in told["error"]
    assert "Traceback" not in told["error"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "no JSON"),
        (b"[" * 5_000, 400, "no JSON"),
        (b"\xff", 400, "UTF-8"),
        (b"[]", 422, "is not an object"),
        (b'{"texts": []}', 422, "takes 1 to 4"),
        (b'{"texts": ["a", "b", "c", "d", "e"]}', 422, "takes 1 to 4"),
        (b'{"texts": ["a", 1]}', 422, "text 2"),
        (b'{"texts": [["a", "b", "c"]]}', 422, "text 1"),
        (b'{"texts": [["a", "b"]]}', 422, "two texts"),
        (b'{"texts": ["a"], "path": "/etc/passwd"}', 422, "is not an object"),
    ],
)
def test_what_is_no_list_of_texts_is_one_sentence(texts: Ask, body: bytes, status: int, says: str) -> None:
    found, told, _ = texts("POST", "/predict", body, "application/json")
    assert (found, says in told["error"]) == (status, True), told


def test_a_row_is_values_by_the_names_of_their_columns() -> None:
    asked, linear = rows.request("classification"), strategies.get("linear")
    with serving(linear.refit(asked, linear.fit(asked)), USUAL) as (ask, _, _):
        kind = "application/json"
        _, found, _ = ask("POST", "/predict", '{"rows": [{"age": 80, "town": "t1"}]}', kind)
        assert found["predictions"][0]["label"] == "perhaps"
        status, told, _ = ask("POST", "/predict", '{"rows": [{"age": [30], "town": "t1"}]}', kind)
        assert (status, "row 1" in told["error"]) == (422, True)
        status, told, _ = ask("POST", "/predict", '{"rows": [{"age": 30}]}', kind)
        assert (status, "'town'" in told["error"]) == (422, True)
        schema = ask("GET", "/openapi.json")[1]["paths"]["/predict"]["post"]["requestBody"]["content"][kind]
        assert set(schema["schema"]["properties"]["rows"]["items"]["properties"]) == {"age", "town"}


def test_a_body_in_pieces_is_held_to_the_same_limit(images: Ask) -> None:
    pieces = (b"x" * 30_000 for _ in range(5))
    status, told, _ = images("POST", "/predict", pieces, "image/png")
    assert (status, "100,000 bytes" in told["error"]) == (413, True)


def test_another_name_of_this_machine_is_refused(images: Ask) -> None:
    status, told, _ = images("GET", "/model", Host="evil.example:80")
    assert (status, "evil.example" in told["error"]) == (403, True)
    assert images("GET", "/model", Host="localhost:1")[0] == 200


def test_the_page_fetches_nothing_from_elsewhere(images: Ask) -> None:
    for path in ("/", "/page.js", "/page.css"):
        status, text, headers = images("GET", path)
        assert status == 200
        assert "http://" not in text
        assert "https://" not in text
        assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.slow
def test_the_page_shows_the_likeliest_first_whatever_classes_are_called(browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    model = of_texts()
    numbers = replace(model.task, labels=("0", "1"))
    with serving(replace(model, task=numbers)) as (ask, _, _):
        kind, texts = "application/json", ["late", "lovely", "broken", "thanks"]
        told = ask("POST", "/predict", json.dumps({"texts": texts}), kind)[1]["predictions"]
        text, best = next((t, one) for t, one in zip(texts, told, strict=True) if one["label"] == "1")
        browser.get(f"http://127.0.0.1:{ask.port}/")
        wait = WebDriverWait(browser, 10)
        wait.until(lambda page: page.find_element(By.ID, "first").is_displayed())
        browser.find_element(By.ID, "first").send_keys(text)
        browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        wait.until(lambda page: page.find_element(By.ID, "result").is_displayed())
        assert browser.find_element(By.ID, "answer").text == "1"
        bars = [bar.text for bar in browser.find_elements(By.CSS_SELECTOR, "#bars li span")]
        assert bars == sorted(best["probabilities"], key=best["probabilities"].get, reverse=True)
        browser.find_element(By.ID, "why").click()
        wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "#reasons mark"))
        assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def test_what_mattered_is_told_of_words_and_pictures(images: Ask, texts: Ask) -> None:
    status, told, _ = images("POST", "/explain", png(), "image/png")
    assert (status, np.shape(told["effects"])) == (200, (7, 7))
    assert told["view"].startswith("data:image/png;base64,")
    status, told, _ = texts("POST", "/explain", "lovely but late", "text/plain")
    effects = {cell["text"]: cell["effect"] for part in told["parts"] for cell in part}
    assert status == 200
    assert effects["but"] == 0
    assert effects["lovely"] * effects["late"] != 0


def test_openapi_names_what_the_model_takes_and_every_refusal(images: Ask, texts: Ask) -> None:
    of_pictures, of_words = (ask("GET", "/openapi.json")[1] for ask in (images, texts))
    asked = of_pictures["paths"]["/predict"]["post"]
    assert list(asked["requestBody"]["content"]) == ["image/*", "application/octet-stream"]
    assert {one["name"] for one in asked["parameters"]} == {"top", "sets", "risk"}
    assert {"400", "413", "415", "422", "429", "503"} <= set(asked["responses"])
    asked = of_words["paths"]["/predict"]["post"]
    assert {one["name"] for one in asked["parameters"]} == {"top"}


def test_requests_at_the_same_time_share_a_batch_and_keep_their_answers() -> None:
    model, pictures = of_images(), [png(number) for number in range(12)]
    expected = [
        as_json(row, model.task) for row in predict(model, [BytesItem("image 1", one) for one in pictures])
    ]
    with serving(model, Limits(batch=4), seconds=0.05) as (ask, predictor, _), ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda one: ask("POST", "/predict", one, "image/png"), pictures))
        _, counts, _ = ask("GET", "/metrics")
    said = [told["predictions"][0] for _, told, _ in found]
    assert [one["label"] for one in said] == [one["label"] for one in expected]
    for one, other in zip(said, expected, strict=True):  # who shares a batch may change the seventh digit
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=2e-6)
    assert 1 < max(predictor.sizes) <= 4
    assert "headstart_items_total 12" in counts
    assert 'headstart_requests_total{status="200"} 12' in counts


@pytest.mark.parametrize(
    ("limits", "status", "says"),
    [
        (Limits(batch=1, waiting=2), 503, "items wait already; try again later"),
        (Limits(batch=1, per_client=3), 429, "wait for answers"),
    ],
)
def test_what_is_too_much_is_turned_away_at_once(limits: Limits, status: int, says: str) -> None:
    with serving(of_images(), limits, seconds=0.2) as (ask, _, _), ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda one: ask("POST", "/predict", png(one), "image/png"), range(10)))
        assert ask("POST", "/predict", png(), "image/png")[0] == 200
    assert {found_ for found_, _, _ in found} == {200, status}
    for found_, told, headers in found:
        if found_ == status:
            assert headers["Retry-After"] == "1"
            assert says in told["error"]


def test_an_answer_that_does_not_come_in_time_is_given_up() -> None:
    with serving(of_images(), Limits(seconds=1.0), seconds=1.5) as (ask, predictor, _):
        status, told, _ = ask("POST", "/predict", png(), "image/png")
        assert (status, told["error"]) == (503, "no answer within 1 seconds; try again later")
        predictor.seconds = 0.0
        time.sleep(0.6)
        assert ask("POST", "/predict", png(), "image/png")[0] == 200


def test_at_the_end_what_has_come_is_answered() -> None:
    with serving(of_images(), seconds=0.4) as (ask, _, process), ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, "POST", "/predict", png(one), "image/png") for one in range(3)]
        time.sleep(0.2)
        process.should_exit = True
        assert [one.result()[0] for one in asked] == [200, 200, 200]


def test_a_model_that_fails_is_told_and_the_next_request_is_answered() -> None:
    with serving(of_images()) as (ask, predictor, _):
        whole = predictor.scores
        predictor.scores = lambda prepared: 1 / 0  # type: ignore[method-assign]
        status, told, _ = ask("POST", "/predict", png(), "image/png")
        assert (status, "log says how" in told["error"]) == (500, True)
        predictor.scores = whole  # type: ignore[method-assign]
        assert ask("POST", "/predict", png(), "image/png")[0] == 200
