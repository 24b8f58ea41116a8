"""Options: from flags, environment and mbuild.yaml to one value."""

from pathlib import Path

import pytest

from modelbuild.config import Options, environment, make_options, option_fields, option_type, pairs, read_config
from modelbuild.errors import UsageError


def write(folder: Path, text: str) -> Path:
    path = folder / "mbuild.yaml"
    path.write_text(text)
    return path


def test_later_layers_override_earlier_ones():
    options = make_options({"python": "3.9", "push": True}, {"python": "3.12"})
    assert (options.python, options.push) == ("3.12", True)


def test_a_single_value_is_as_good_as_a_list():
    assert make_options({"requirement": "pandas"}).requirement == ("pandas",)


def test_every_option_has_a_sentence_and_a_type():
    for item in option_fields():
        assert item.metadata["help"].endswith("."), item.name
        kind, repeated = option_type(item.name)
        assert kind in {str, bool, float, Path}, item.name
        assert isinstance(getattr(Options(), item.name), tuple) is repeated


@pytest.mark.parametrize(
    ("key", "value"),
    [("push", "perhaps"), ("tolerance", "much"), ("tolerance", "-1"), ("ready_timeout", "nan"), ("tolerance", "inf")],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(key, value):
    with pytest.raises(UsageError) as refused:
        make_options({key: value})
    assert key in refused.value.message
    assert value in refused.value.message


def test_a_python_version_stays_what_was_written(tmp_path):
    config = read_config(write(tmp_path, "python: 3.10\nmodel-version: 1.0\npush: yes\n"))
    options = make_options(config.options)
    assert (options.python, options.model_version, options.push) == ("3.10", "1.0", True)


def test_paths_start_at_the_files_folder(tmp_path):
    config = read_config(write(tmp_path, "model: m.onnx\nhandler: f.py\nexample: [a.json, sub/b.json]\n"))
    assert config.model == tmp_path / "m.onnx"
    options = make_options(config.options)
    assert options.handler == tmp_path / "f.py"
    assert options.example == (tmp_path / "a.json", tmp_path / "sub/b.json")


def test_a_mapping_is_as_good_as_name_equals_value(tmp_path):
    config = read_config(write(tmp_path, "env:\n  A: 1\n  B: two\n"))
    assert make_options(config.options).env == ("A=1", "B=two")


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path):
    with pytest.raises(UsageError) as refused:
        read_config(write(tmp_path, "handlr: f.py\n"))
    assert "'handlr'" in refused.value.message
    assert "'handler'" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [("- a\n", "list"), ("a: [\n", "cannot be read"), ("push: {a: 1}\n", "push"), ("\x00", "cannot be read")],
)
def test_what_is_no_mapping_of_options_is_refused(tmp_path, text, says):
    with pytest.raises(UsageError) as refused:
        make_options(read_config(write(tmp_path, text)).options)
    assert says in refused.value.message


def test_an_empty_file_is_no_options(tmp_path):
    assert make_options(read_config(write(tmp_path, "")).options) == Options()


def test_one_value_is_no_list(tmp_path):
    with pytest.raises(UsageError, match="'tag' cannot be a list: a, b"):
        make_options(read_config(write(tmp_path, "tag: [a, b]\n")).options)


def test_where_a_file_is_no_yaml_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"mbuild\.yaml cannot be read: .* in line 2, column 6\."):
        read_config(write(tmp_path, "tag: [a\nmodel: b\n"))
    with pytest.raises(UsageError, match=r"absent\.yaml cannot be read: No such file or directory\.$"):
        read_config(tmp_path / "absent.yaml")


def test_pairs():
    assert pairs(("A=1", "B=x=y", "C="), "--env") == {"A": "1", "B": "x=y", "C": ""}
    with pytest.raises(UsageError, match="--env 'A'"):
        pairs(("A",), "--env")


@pytest.mark.parametrize(
    ("text", "value"), [("20ms", "0.02"), ("0.02s", "0.02"), ("0.02", "0.02"), ("1.5 S", "1.5"), ("2s", "2")]
)
def test_an_objective_is_a_variable_of_the_image(text, value):
    assert environment(Options(slo=text)) == {"MBUILD_SLO": value}
    assert environment(Options(slo=text, env=("MBUILD_SLO=9", "A=b"))) == {"MBUILD_SLO": "9", "A": "b"}
    assert environment(Options()) == {}


@pytest.mark.parametrize("text", ["0", "0ms", "-1", "soon", "20m", "1e3", "nan", "100000"])
def test_an_objective_is_a_duration(text):
    with pytest.raises(UsageError, match="--slo cannot be"):
        environment(Options(slo=text))
