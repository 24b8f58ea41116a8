"""The terminal: results and talk apart, nothing interpreted that users wrote."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from modelbuild.errors import BuildError
from modelbuild.terminal import Terminal, open_terminal, size_text


def console(*, live: bool = False, width: int = 40) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=width, force_terminal=live, color_system=None), stream


@pytest.fixture
def streams():
    out, out_text = console()
    err, err_text = console()
    return Terminal(out, err), out_text, err_text


def test_long_results_stay_on_one_line(streams):
    terminal, out, err = streams
    terminal.result("registry/" + "x" * 100 + "@sha256:[bold]0")
    assert out.getvalue() == "registry/" + "x" * 100 + "@sha256:[bold]0\n"
    assert err.getvalue() == ""


def test_json_is_json(streams):
    terminal, out, _ = streams
    terminal.json({"name": "é", "long": "y" * 90, "markup": "[red]"})
    assert json.loads(out.getvalue()) == {"name": "é", "long": "y" * 90, "markup": "[red]"}


def test_an_error_has_three_parts_and_goes_to_stderr(streams):
    terminal, out, err = streams
    terminal.error(BuildError("it [broke] at x[0]", details="line one\nline [two]", hint="mend [it]"))
    assert out.getvalue() == ""
    assert err.getvalue().splitlines() == [
        "error: it [broke] at x[0]",
        "  | line one",
        "  | line [two]",
        "hint: mend [it]",
    ]


def test_a_pipe_gets_plain_lines_and_no_logs(streams):
    terminal, _, err = streams
    with terminal.progress() as progress:
        progress.step("Building", "dependencies")
        progress.bytes(1, 2)
        progress.log("Step 1/7 : FROM x")
        progress.step("Tagging", "[name]")
    assert err.getvalue() == "Building  dependencies\nTagging  [name]\n"


def test_verbose_shows_the_logs():
    err, text = console()
    with Terminal(err, err, verbose=True).progress() as progress:
        progress.log("Step 1/7")
    assert text.getvalue() == "  | Step 1/7\n"


def test_a_person_sees_each_step_end():
    err, text = console(live=True, width=100)
    with Terminal(err, err).progress() as progress:
        progress.step("Building", "model")
        progress.bytes(5, 10)
        progress.step("Tagging")
    assert "✓ Building  model" in text.getvalue()
    assert "✓ Tagging" in text.getvalue()


def test_the_step_that_failed_is_marked():
    err, text = console(live=True, width=100)

    def fail() -> None:
        with Terminal(err, err).progress() as progress:
            progress.step("Building", "model")
            raise BuildError("no")

    with pytest.raises(BuildError):
        fail()
    assert "✗ Building  model" in text.getvalue()


def test_tables_are_as_wide_as_they_must_be(streams):
    terminal, _, err = streams
    terminal.table(["layer", "size"], [["a" * 50, "1 B"], ["b", "22 MB"]], right=[1])
    assert err.getvalue().splitlines() == [
        "layer" + " " * 45 + "   size",
        "a" * 50 + "    1 B",
        "b" + " " * 49 + "  22 MB",
    ]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5 * 10**12, "5000.0 GB")]
)
def test_sizes(size, text):
    assert size_text(size) == text


def test_what_the_encoding_lacks_is_escaped_and_json_stays_json(monkeypatch):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    monkeypatch.setattr("sys.stdout", streams[0])
    monkeypatch.setattr("sys.stderr", streams[1])
    terminal = open_terminal()
    terminal.json({"name": "é"})
    terminal.result("é")
    terminal.note("✓")
    out, err = (stream.buffer.getvalue().decode("ascii") for stream in streams)
    assert json.loads(out.partition("}")[0] + "}") == {"name": "é"}
    assert out.endswith("\\xe9\n")
    assert err == "\\u2713\n"
