"""What people do with the page, in Chromium. Console and network are held against it after each test (conftest.py)."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from page.models import ENDING, HOSTILE


def test_an_example_is_filled_in_and_sent_with_the_keyboard_alone(page):
    iris = page("iris")
    for _ in range(10):
        if iris.driver.switch_to.active_element == iris.field("x"):
            break
        iris.press(Keys.TAB)
    assert iris.field("x").get_attribute("value") == "[5.1, 3.5, 1.4, 0.2]"
    assert iris.send().startswith("200 OK · ")
    assert iris.answer == {"label": "setosa", "probabilities": [0.75, 0.125, 0.125]}
    assert iris.id("status").get_attribute("aria-live") == "polite"


def test_the_button_sends_too(page):
    iris = page("iris")
    iris.id("send").send_keys(Keys.ENTER)
    iris.until(lambda: iris.css("#answer pre"))
    assert iris.answer["label"] == "setosa"


def test_what_the_model_says_is_shown_in_short(page):
    iris = page("iris")
    iris.send()
    assert [item.text.split() for item in iris.css(".value, .bars li")] == [
        ["label", "setosa"],
        ["setosa", "75.0", "%"],
        ["versicolor", "12.5", "%"],
        ["virginica", "12.5", "%"],
    ]
    shares = "return [...document.querySelectorAll('.track span')].map((bar) => bar.style.width)"
    assert iris.script(shares) == ["75%", "12.5%", "12.5%"]


def test_header_and_tables_say_what_the_model_is(page):
    loan = page("loan")
    assert (loan.driver.title, loan.css("h1")[0].text) == ("loan", "loan")
    assert loan.id("facts").text == "version 3 · onnx"
    assert [row.text.split("\n")[0] for row in loan.css("tbody tr")] == [
        "age INT64 one value",
        "income FP64 one value",
        "job BYTES one value",
        "marriedoptional BOOL one value",
        "score FP64 one value",
    ]
    links = [link.get_attribute("href").removeprefix(loan.url) for link in loan.css("nav a")]
    assert links == ["openapi.json", "contract", "metrics", "health"]


def test_examples_are_chosen_and_those_of_several_rows_are_a_body(page):
    iris = page("iris")
    examples = Select(iris.id("example"))
    assert [option.text for option in examples.options] == ["a setosa", "a virginica", "two rows"]
    examples.select_by_index(1)
    assert iris.field("x").get_attribute("value") == "[1, 2, 6.3, 1.8]"
    examples.select_by_index(2)
    assert not iris.id("fields").is_displayed()
    iris.send()
    assert [row["label"] for row in iris.answer] == ["setosa", "setosa"]
    assert iris.css(".summary .empty")[0].text == "The first of 2 rows:"


def test_the_body_is_what_the_form_says_and_the_other_way_round(page):
    loan = page("loan")
    loan.write("age", "20")
    loan.turn("body")
    assert loan.field("Body").get_attribute("value") == '{"age": 20, "income": 1200.0, "job": "it\'s a \\"cook\\""}'
    loan.write("Body", '{"age": 10, "income": 5, "job": "none", "married": false}')
    loan.turn("form")
    assert [loan.field(name).get_attribute("value") for name in ("age", "income", "job")] == ["10", "5", "none"]
    assert Select(loan.field("married")).first_selected_option.text == "false"


def test_other_content_types_go_as_bodies(page):
    iris = page("iris")
    iris.turn("body")
    iris.write("Content-Type", "text/csv")
    iris.write("Body", "1,2,6,1\n9,2,6,1")
    assert iris.send().startswith("200 OK")
    assert [row["label"] for row in iris.answer] == ["virginica", "setosa"]


def test_an_error_stands_beside_the_field_that_it_names(page):
    loan = page("loan")
    loan.write("age", "forty")
    assert loan.send().startswith("400 Bad Request")
    field = loan.field("age")
    error = loan.id(field.get_attribute("aria-describedby").split(" ")[0])
    assert error.text == "input 'age': expected a whole number (INT64), got a string"
    assert field.get_attribute("aria-invalid") == "true"
    assert loan.driver.switch_to.active_element == field
    assert loan.answer["field"] == "age"
    loan.write("age", "40")
    assert loan.send().startswith("200 OK")
    assert not field.get_attribute("aria-invalid")
    assert error.text == ""


@pytest.mark.parametrize(
    ("field", "text", "complaint"),
    [
        ("city", None, None),
        ("surface", "-1", "'surface': expected a number > 0.0: -1"),
        ("rooms", "", "the field 'rooms' is missing"),
        ("tags", "[1]", "'tags.0': expected a string, got an integer: 1"),
        ("tags", "quiet", "this is not JSON"),
        ("photo", "a", None),
    ],
)
def test_errors_of_a_record_find_their_field(page, field, text, complaint):
    home = page("home")
    if text is not None:
        home.write(field, text)
    status = home.send()
    if complaint is None and text is None:
        assert status.startswith("200 OK")
        return
    assert not status.startswith("200")
    assert home.field(field).get_attribute("aria-invalid") == "true"
    shown = [error.text for error in home.css(".field .error") if error.text]
    assert len(shown) == 1
    assert complaint in (None, *shown)


def test_a_record_becomes_a_form_with_choices_defaults_and_groups(page):
    home = page("home")
    assert [option.text for option in Select(home.field("kind")).options] == ["flat", "house"]
    assert [option.text for option in Select(home.field("heating")).options] == ["not sent", "electric", "gas"]
    assert [legend.text for legend in home.css(".group legend")] == ["address"]
    assert "Square metres, walls included. · more than 0, at most 1000" in [hint.text for hint in home.css(".hint")]
    Select(home.id("example")).select_by_visible_text("a house")
    Select(home.field("furnished")).select_by_visible_text("true")
    home.write("city", "Roubaix")
    home.send()
    assert home.answer == {"rent": 2910.0, "city": "Roubaix", "tags": 0, "photo": 0, "floor": 0}


def test_a_file_is_sent_as_bytes(page, tmp_path):
    picture = page("picture")
    file = tmp_path / 'a cat; and "more".png'
    file.write_bytes(bytes(range(256)))
    Select(picture.id("example")).select_by_visible_text("a text")
    picture.css("#fields [type=file]")[0].send_keys(str(file))
    picture.until(lambda: picture.css(".chip b")[0].text == file.name)
    picture.send()
    assert picture.answer["length"] == 256
    picture.css(".chip button")[0].send_keys(Keys.ENTER)
    picture.write("image", "a text")
    picture.send()
    assert picture.answer == {"length": 6, "image": "a text"}


def test_bytes_of_an_example_are_a_file_without_a_name(page):
    picture = page("picture")
    assert picture.css("#fields .chip")[0].text.split("\n") == ["bytes", "3 bytes", "Remove"]
    picture.send()
    assert picture.answer == {"length": 3, "image": {"b64": "/wD+"}}
    picture.turn("body")
    assert picture.field("Body").get_attribute("value") == '{"image": {"b64": "/wD+"}}'
    picture.send()
    assert picture.answer["length"] == 3
    assert not page("wide").css(".chip")[0].is_displayed()


def test_handlers_that_decode_bodies_by_themselves_get_them_as_they_are(page, tmp_path):
    raw = page("raw")
    assert not raw.id("modes").is_displayed()
    assert [label.text for label in raw.css("#languages label")] == ["curl", "Python"]
    raw.write("Content-Type", "text/plain")
    raw.write("Body", "é{")
    raw.send()
    assert raw.css("#answer pre")[0].text == "body=é{"
    file = tmp_path / "file"
    file.write_bytes(b"one\r\ntwo")
    raw.css("#whole [type=file]")[0].send_keys(str(file))
    raw.until(lambda: raw.css("#whole .chip b")[0].text == "file")
    raw.send()
    assert raw.id("status").text.endswith("· 13 bytes")


def test_numbers_keep_their_digits(page):
    wide = page("wide")
    wide.put("pixels", str([[[0.5] * 32] * 32] * 3))
    assert wide.send().startswith("200 OK")
    assert "18446744073709551615" in wide.css("#answer pre")[0].text
    assert wide.css(".bars li")[0].text.split("\n") == ["class 19", "14"]
    assert wide.css(".bars .empty")[0].text == "and 10 more"


def test_a_model_without_rows_has_a_form_as_well(page):
    matrix = page("matrix")
    matrix.write("m", "[[1, 2, 3], [4, 5, 6]]")
    matrix.send()
    assert matrix.answer == {"t": [[1, 4], [2, 5], [3, 6]]}


def test_what_a_hostile_model_says_is_shown_and_not_run(page):
    hostile = page("hostile")
    assert hostile.send().startswith("200 OK")
    assert hostile.driver.title == HOSTILE
    assert hostile.css("h1")[0].text == HOSTILE
    assert hostile.answer == {HOSTILE: ENDING, ENDING: [0.25, 0.75]}
    assert hostile.css("img, script:not([type])") == []
    hostile.turn("body")
    hostile.write("Body", '{"<b>": 1}')
    hostile.send()
    assert hostile.driver.title == HOSTILE
    assert hostile.css("main b b") == []


def test_the_policy_holds_against_what_would_get_past_the_rest(page):
    iris = page("iris")
    iris.script(
        "window.blocked = [];"
        "document.addEventListener('securitypolicyviolation', (event) => blocked.push(event.effectiveDirective));"
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned = 1\">');"
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.owned = 1'}));"
        "fetch('http://127.0.0.1:9/').catch(() => 0)"
    )
    iris.until(lambda: len(iris.script("return blocked")) >= 3)
    assert {"img-src", "connect-src", "script-src-elem"} <= set(iris.script("return blocked"))
    assert iris.script("return window.owned") is None
    iris.complaints()


def test_colours_follow_the_system_and_can_be_read(page):
    colours = {}
    for scheme in ("light", "dark"):
        iris = page("iris")
        iris.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        iris.write("x", "[1]")
        iris.send()
        paper = iris.css("body")[0].value_of_css_property("background-color")
        for selector in (".label span", ".field .error", "#status", "#state", "a", "h1", "thead th"):
            ink = iris.css(selector)[0].value_of_css_property("color")
            assert _contrast(ink, paper) >= 4.5, (scheme, selector)
        colours[scheme] = paper
    assert _light(colours["light"]) > 0.9
    assert _light(colours["dark"]) < 0.1


@pytest.mark.parametrize("model", ["iris", "home", "raw"])
def test_a_telephone_needs_no_scrolling_sideways(page, model):
    one = page(model)
    size = {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    one.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    one.send()
    assert one.script("return document.documentElement.scrollWidth") == 380
    assert one.css("h2")[1].location["y"] > one.id("send").location["y"]


def test_whoever_wants_less_motion_gets_none(page):
    iris = page("iris")
    reduced = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    assert iris.id("answer").value_of_css_property("transition-duration") != "0s"
    iris.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", reduced)
    assert iris.id("answer").value_of_css_property("transition-property") == "none"


@pytest.mark.parametrize("model", ["home", "iris", "picture", "raw"])
def test_everything_that_can_be_used_has_a_name_and_shows_the_focus(page, model):
    one = page(model)
    one.send()
    for element in one.css("a, button, input, select, textarea, pre"):
        assert element.accessible_name or not element.is_displayed(), element.get_attribute("outerHTML")
    reached = set()
    for _ in range(60):
        one.press(Keys.TAB)
        element = one.driver.switch_to.active_element
        reached.add(element.get_attribute("id") or element.tag_name)
        if element.tag_name not in {"body", "html"}:
            assert one.script(RING, element), element.get_attribute("outerHTML")
    assert {"send", "code", "copy", "a", "pre"} <= reached


def test_a_server_that_went_away_is_told(page, driver, tmp_path):
    from page.browser import Page
    from page.serving import serving

    with serving("iris", tmp_path) as url:
        iris = Page(driver, url)
    assert iris.send() == "No answer"
    assert iris.css("#answer .error")[0].text.startswith("The server cannot be reached")
    iris.until(lambda: iris.id("state").text == "Unreachable")
    driver.get("about:blank")
    iris.complaints()


RING = """
const shown = (element) => getComputedStyle(element).outlineStyle !== "none";
return shown(arguments[0]) || shown(arguments[0].closest("label") ?? arguments[0]);
"""


def _light(colour):
    """Relative luminance, as WCAG defines it."""
    parts = [float(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def _contrast(one, other):
    lighter, darker = sorted((_light(one), _light(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_what_the_server_does_is_shown_while_somebody_looks(page):
    iris = page("iris")
    iris.until(lambda: iris.id("live").is_displayed())
    iris.script(
        "window.asking = setInterval(() => fetch('predict', {method: 'POST', body: '[[5.1, 3.5, 1.4, 0.2]]', "
        "headers: {'Content-Type': 'application/json'}}), 50)"
    )
    try:
        iris.until(lambda: float(iris.id("rate").text) > 2 and iris.id("median").text.endswith(("µs", "ms")))
        assert iris.id("slow").text.endswith(("µs", "ms"))
        assert iris.id("failed").text == "0"
        assert len(iris.id("rate-line").get_attribute("points").split()) > 1
        assert iris.css("#live svg")[0].get_attribute("aria-hidden") == "true"
    finally:
        iris.script("clearInterval(window.asking)")


def unlocked(page, key):
    page.id("key").send_keys(key, Keys.ENTER)


def test_a_server_that_wants_a_key_shows_nothing_of_its_model_before(page):
    loan = page("loan", MBUILD_API_KEYS="s3cret")
    assert (loan.driver.title, loan.css("h1")[0].text) == ("Model", "Model")
    assert not loan.id("form").is_displayed()
    assert "income" not in loan.driver.page_source
    assert loan.driver.switch_to.active_element == loan.id("key")
    unlocked(loan, "wrong")
    loan.until(lambda: loan.id("key-error").text == "The server does not take this key.")
    loan.id("key").clear()
    unlocked(loan, "s3cret")
    loan.until(lambda: loan.id("form").is_displayed())
    assert (loan.driver.title, loan.css("h1")[0].text) == ("loan", "loan")
    assert not loan.id("lock").is_displayed()
    assert loan.send().startswith("200 OK")
    assert [link.text for link in loan.css("nav a")] == ["Health"], "the others could not bear the key"


def test_a_key_is_kept_nowhere_but_in_the_page(page):
    loan = page("loan", MBUILD_API_KEYS="s3cret")
    unlocked(loan, "s3cret")
    loan.until(lambda: loan.id("form").is_displayed())
    kept = (
        "return [document.cookie, location.href, JSON.stringify(localStorage), JSON.stringify(sessionStorage)].join()"
    )
    assert "s3cret" not in loan.script(kept) + loan.driver.page_source + loan.id("key").get_attribute("value")
    assert "s3cret" not in "".join(loan.snippet(language) for language in ("curl", "Python", "tritonclient"))
    loan.driver.refresh()
    loan.until(lambda: loan.id("state").text == "" and loan.id("key").is_displayed())
