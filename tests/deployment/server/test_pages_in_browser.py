"""What the pages' scripts do, in a browser; skipped where there is none."""

import csv
import io

import numpy as np
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait
from support.browser import BROWSER, DRIVER, browsing
from support.servers import LIMITS, TASK, FakePredictor, running, running_app

from polyhead.deployment.predictions import Predictions
from polyhead.deployment.server import ServedModel, create_service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="no chromium with chromedriver is installed"),
]


class LengthPredictor(FakePredictor):
    """Is surer of the first class the longer a text is."""

    def predict(self, texts):
        first = np.array([min(len(text), 90) / 100 for text in texts])
        embeddings = np.zeros((len(texts), 2))
        return Predictions((TASK,), {TASK.name: np.stack([first, 1 - first], axis=1)}, embeddings)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(LengthPredictor(tmp_path_factory.mktemp("bundle"))) as server:
        yield server


def origin(server):
    host, port = server.address
    return f"http://{host}:{port}"


def open_page(browser, server, path="/"):
    browser.get(f"{origin(server)}{path}")


def until(browser, found):
    """Wait for something, and return it; what the page replaces meanwhile is looked for again."""
    return WebDriverWait(browser, 20, ignored_exceptions=[StaleElementReferenceException]).until(lambda _: found())


def by_id(browser, name):
    return browser.find_element(By.ID, name)


def predict(browser, text):
    field = by_id(browser, "text")
    field.clear()
    field.send_keys(text)
    browser.find_element(By.CSS_SELECTOR, "form button").click()


def bars(browser):
    """Return the class and the share of each bar."""
    return until(browser, lambda: [row.text.split("\n") for row in browser.find_elements(By.CLASS_NAME, "row")])


def problem(browser):
    return until(browser, lambda: by_id(browser, "problem").text)


def test_page_shows_the_bars_of_a_sentence(browser, server):
    open_page(browser, server)
    until(browser, lambda: by_id(browser, "name").text == "fake")
    predict(browser, "x" * 60)
    assert bars(browser) == [["Positive", "60.0 %"], ["Negative", "40.0 %"]]
    assert browser.find_element(By.CLASS_NAME, "best").text.startswith("Positive")
    width = "return document.querySelector('.bar').offsetWidth / document.querySelector('.track').offsetWidth"
    assert browser.execute_script(width) == pytest.approx(0.6, abs=0.01)


def test_page_predicts_the_sentence_of_a_link_and_of_an_example(browser, server):
    open_page(browser, server, "/?text=four")
    assert bars(browser)[0] == ["Positive", "4.0 %"]
    example = browser.find_element(By.CLASS_NAME, "chip")
    expected = f"{len(example.text)}.0 %"
    example.click()
    until(browser, lambda: bars(browser)[0] == ["Positive", expected])


def test_page_shows_markup_of_a_text_as_text(browser, server):
    open_page(browser, server)
    hostile = "<img src=x onerror=\"document.title='taken'\">\n<script>document.title='taken'</script>"
    predict(browser, hostile)
    cells = until(browser, lambda: [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, "td.sentence")])
    assert cells == hostile.split("\n")
    assert not browser.find_elements(By.TAG_NAME, "img")
    assert browser.title != "taken"


def test_page_asks_this_server_alone(browser, server):
    open_page(browser, server, "/?text=four")
    bars(browser)
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert asked
    assert all(address.startswith(f"{origin(server)}/") for address in asked)


def test_page_gives_many_sentences_as_a_table_and_a_file(browser, server):
    texts = ["a" * 30, 'with "quotes", and commas', *(f"number {count}" for count in range(20))]
    open_page(browser, server)
    until(browser, lambda: by_id(browser, "name").text == "fake")
    browser.execute_script("arguments[0].value = arguments[1]", by_id(browser, "text"), "\n".join([*texts, "", " "]))
    by_id(browser, "text").send_keys(Keys.CONTROL, Keys.ENTER)
    rows = until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "table.texts tbody tr"))
    assert [row.text.split("\n")[0] for row in rows] == texts  # more of them than a request may have
    assert rows[0].text.endswith("Negative 70.0 %")
    browser.execute_script(
        "URL.createObjectURL = blob => { blob.text().then(text => window.saved = text); return '#'; }"
    )
    browser.find_element(By.XPATH, "//button[text()='Download CSV']").click()
    saved = until(browser, lambda: browser.execute_script("return window.saved"))
    lines = list(csv.DictReader(io.StringIO(saved, newline="")))
    assert [line["text"] for line in lines] == texts
    assert {line["predicted_sentiment"] for line in lines} == {"Negative"}
    assert float(lines[0]["predicted_sentiment_probability"]) == pytest.approx(0.7)
    assert lines[0]["predicted_sentiment_top2"] == "Positive"


def test_page_marks_the_set_of_a_coverage(browser, server):
    open_page(browser, server, "/?text=" + "x" * 60)
    bars(browser)
    by_id(browser, "coverage").send_keys("90", Keys.TAB)
    marked = until(browser, lambda: [row.text for row in browser.find_elements(By.CSS_SELECTOR, ".row.set")])
    assert marked[0].startswith("Positive")
    by_id(browser, "coverage").clear()
    by_id(browser, "coverage").send_keys("99.5", Keys.TAB)
    assert problem(browser)  # what cannot be promised is told
    assert bars(browser)  # and left out


def test_page_says_what_the_server_refuses(browser, server):
    open_page(browser, server)
    until(browser, lambda: by_id(browser, "name").text == "fake")
    predict(browser, "short\n" + "x" * 201)
    assert problem(browser) == "text 2 has more than 200 characters; shorten it"
    predict(browser, "x" * 201)
    until(browser, lambda: "200" in problem(browser) and "text 2" not in problem(browser))


def test_page_asks_for_the_token(browser, tmp_path):
    with running(LengthPredictor(tmp_path), token="secret") as server:
        open_page(browser, server, "/?text=four")
        field = until(browser, lambda: by_id(browser, "token") if by_id(browser, "token").is_displayed() else None)
        assert problem(browser).startswith("this server asks for a token")
        field.send_keys("secret", Keys.TAB)
        assert bars(browser)[0] == ["Positive", "4.0 %"]
        assert by_id(browser, "problem").text == ""


def test_page_says_that_the_server_is_gone(browser, tmp_path):
    with running(LengthPredictor(tmp_path)) as server:
        open_page(browser, server)
        until(browser, lambda: by_id(browser, "name").text == "fake")
    predict(browser, "four")
    assert problem(browser).startswith("the server does not answer")


def test_documentation_page_sends_a_request(browser, server):
    open_page(browser, server, "/docs")
    part = until(browser, lambda: browser.find_elements(By.XPATH, "//details[contains(., 'POST /predict')]"))[0]
    if not part.get_attribute("open"):
        part.find_element(By.TAG_NAME, "summary").click()
    fields = [cell.text for cell in part.find_elements(By.CSS_SELECTOR, "td:first-child")]
    assert {"texts", "top_k", "coverage"} <= {*fields}
    part.find_element(By.XPATH, ".//button[text()='Send']").click()
    answer = part.find_element(By.CSS_SELECTOR, "form pre")
    until(browser, lambda: answer.text.startswith("200"))
    assert '"sentiment"' in answer.text


def test_page_lets_one_choose_the_model(browser, tmp_path):
    class Other(LengthPredictor):
        def predict(self, texts):
            return Predictions((TASK,), {TASK.name: np.tile([0.25, 0.75], (len(texts), 1))}, np.zeros((len(texts), 2)))

    models = [ServedModel("mails", LengthPredictor(tmp_path)), ServedModel("reviews", Other(tmp_path))]
    with running_app(create_service(models, LIMITS, 8)) as server:
        open_page(browser, server, "/?text=four")
        assert bars(browser)[0] == ["Positive", "4.0 %"]
        Select(by_id(browser, "model")).select_by_visible_text("reviews")
        until(browser, lambda: bars(browser)[0] == ["Positive", "25.0 %"])
        assert by_id(browser, "name").text == "reviews"
        open_page(browser, server, "/?text=four&model=reviews")
        until(browser, lambda: bars(browser)[0] == ["Positive", "25.0 %"])


def test_page_of_one_model_offers_none(browser, server):
    open_page(browser, server)
    until(browser, lambda: by_id(browser, "name").text == "fake")
    assert not by_id(browser, "choose").is_displayed()
