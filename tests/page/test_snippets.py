"""What the page gives to copy is run as it is copied, and gets the answer that the page got."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.support.select import Select

from page.browser import Page

# What a snippet of tritonclient has in hand in the end, as JSON.
SHOW = """
import json
found = {item["name"]: answer.as_numpy(item["name"]).tolist() for item in answer.get_response()["outputs"]}
print(json.dumps(found, default=lambda item: item.decode(errors="replace")))
"""


def run(language: str, text: str, folder: Path) -> str:
    if language == "tritonclient":
        text += SHOW
    script = folder / "script"
    script.write_text(text.replace("curl", "curl -sS", 1) if language == "curl" else text, encoding="utf-8")
    command = ["sh" if language == "curl" else sys.executable, str(script)]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "no_proxy": "*",
        "API_KEY": os.environ.get("API_KEY", ""),
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"{text}\n{done.stderr.decode()}"
    return done.stdout.decode()


def by_row(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def hold(page: Page, folder: Path, languages: tuple[str, ...] = ("curl", "Python", "tritonclient")) -> None:
    """Each of the snippets against the page's own answer."""
    assert page.send().startswith("200 OK")
    for language in languages:
        said = run(language, page.snippet(language), folder)
        if language == "curl":
            assert json.loads(said) == page.answer
        elif language == "Python":
            assert ast.literal_eval(said) == page.answer
        else:
            rows = page.answer if isinstance(page.answer, list) else [page.answer]
            found = json.loads(said.splitlines()[-1])
            assert by_row(found) == rows or [found] == rows


@pytest.mark.parametrize("example", range(3))
def test_tensors_and_rows_of_them(page, tmp_path, example):
    iris = page("iris")
    Select(iris.id("example")).select_by_index(example)
    languages = ("curl", "Python") if example == 2 else ("curl", "Python", "tritonclient")
    hold(iris, tmp_path, languages)
    if example == 2:
        assert iris.snippet("tritonclient").startswith("# Tensors are made of rows that are JSON objects.")


def test_rows_that_are_objects(page, tmp_path):
    iris = page("iris")
    iris.turn("body")
    iris.write("Body", '[{"x": [1, 2, 3, 4]}, {"x": [9, 2, 3, 4.5]}]')
    hold(iris, tmp_path)


@pytest.mark.parametrize("body", ['{"instances": [{"x": [1, 2, 3, 4]}]}', '{"inputs": {"x": [[1, 2, 3, 4]]}}'])
def test_names_around_the_rows(page, tmp_path, body):
    iris = page("iris")
    iris.turn("body")
    iris.write("Body", body)
    assert iris.send().startswith("200 OK")
    for language in ("curl", "Python", "tritonclient"):
        assert "virginica" in run(language, iris.snippet(language), tmp_path)


@pytest.mark.parametrize(
    "job", ['it\'s a "cook"', "$(touch owned) `touch owned` \\n %d", "a\\nb é 😀", "@file", "';touch owned;'"]
)
def test_columns_with_any_text_in_them(page, tmp_path, job):
    loan = page("loan")
    loan.put("job", job)
    Select(loan.field("married")).select_by_visible_text("true")
    hold(loan, tmp_path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("example", range(2))
def test_records_with_groups_choices_and_bytes(page, tmp_path, example):
    home = page("home")
    Select(home.id("example")).select_by_index(example)
    home.write("photo", "AP8=")
    home.write("since", "2001-02-03")
    Select(home.field("heating")).select_by_visible_text("electric")
    home.write("floor", "2")
    home.send()
    assert home.answer["photo"] == 2
    hold(home, tmp_path, ("curl", "Python"))
    found = json.loads(run("tritonclient", home.snippet("tritonclient"), tmp_path).splitlines()[-1])
    assert [found[name] for name in ("rent", "city", "photo")] == [
        [home.answer[name]] for name in ("rent", "city", "photo")
    ]


def test_bytes_that_are_in_no_file(page, tmp_path):
    picture = page("picture")
    picture.send()
    hold(picture, tmp_path, ("curl", "Python"))
    found = json.loads(run("tritonclient", picture.snippet("tritonclient"), tmp_path).splitlines()[-1])
    assert found["length"] == [3]


@pytest.mark.parametrize("name", ["cat.png", 'a cat; "b", c.png', "it's.png"])
def test_files_are_sent_from_where_they_are(page, tmp_path, name):
    picture = page("picture")
    (tmp_path / name).write_bytes(bytes(range(256)))
    picture.css("#fields [type=file]")[0].send_keys(str(tmp_path / name))
    picture.until(lambda: picture.css(".chip b")[0].text == name)
    hold(picture, tmp_path, ("curl", "Python"))
    found = json.loads(run("tritonclient", picture.snippet("tritonclient"), tmp_path).splitlines()[-1])
    assert found["length"] == [256]


def test_a_record_with_a_file_in_it(page, tmp_path):
    loan = page("home")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\x00\xfe")
    loan.css("#fields [type=file]")[0].send_keys(str(tmp_path / "photo.jpg"))
    loan.until(lambda: loan.css(".chip b")[0].text == "photo.jpg")
    loan.send()
    assert loan.answer["photo"] == 3
    hold(loan, tmp_path, ("curl", "Python"))


def test_a_model_without_rows(page, tmp_path):
    matrix = page("matrix")
    matrix.write("m", "[[1, 2, 3], [4, 5, 6]]")
    hold(matrix, tmp_path)


def test_columns_that_nobody_declared(page, tmp_path):
    hold(page("free"), tmp_path)


def test_numbers_that_are_too_many_for_a_command_are_saved(page, tmp_path, driver):
    wide = page("wide")
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    text = json.dumps([[[0.123456789012345 + row for _ in range(32)] for row in range(32)]] * 3)
    wide.put("pixels", text)
    wide.put("mask", "")
    assert "--data-binary @request.json" in wide.snippet("curl")
    wide.id("save").click()
    wide.until((tmp_path / "request.json").exists)
    assert wide.send().startswith("200 OK")
    for language in ("curl", "Python", "tritonclient"):
        assert "18446744073709551615" in run(language, wide.snippet(language), tmp_path)


@pytest.mark.parametrize(("kind", "body"), [("application/json", '{"a": [1,  2]}'), ("text/plain", "it's\n$HOME \\ é")])
def test_bodies_of_handlers_that_decode_by_themselves(page, tmp_path, kind, body):
    raw = page("raw")
    raw.write("Content-Type", kind)
    raw.put("Body", body)
    raw.send()
    expected = f"body={body}"
    assert run("curl", raw.snippet("curl"), tmp_path) == expected
    said = run("Python", raw.snippet("Python"), tmp_path).strip()
    if kind == "text/plain":
        assert said == expected.encode().decode("latin-1")  # as requests reads a text whose charset is not told
    else:
        assert json.loads(said.removeprefix("body=")) == json.loads(body)
    (tmp_path / "body.bin").write_bytes(b"\x01\r\n\x02")
    raw.css("#whole [type=file]")[0].send_keys(str(tmp_path / "body.bin"))
    raw.until(lambda: raw.css("#whole .chip b")[0].text == "body.bin")
    for language in ("curl", "Python"):
        assert run(language, raw.snippet(language), tmp_path).encode().strip() == b"body=\x01\r\n\x02".strip()


def test_with_a_key_that_is_in_a_variable(page, tmp_path, monkeypatch):
    monkeypatch.setenv("API_KEY", "s3cret")
    loan = page("loan", MBUILD_API_KEYS="s3cret")
    loan.id("key").send_keys("s3cret\n")
    loan.until(lambda: loan.id("form").is_displayed())
    hold(loan, tmp_path)
    loan.turn("body")
    loan.id("type").clear()
    loan.id("type").send_keys("text/csv")
    loan.put("Body", "age,income,job\n40,100,cook\n")
    hold(loan, tmp_path, ("curl", "Python"))
