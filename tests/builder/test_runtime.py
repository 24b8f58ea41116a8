from __future__ import annotations

import sys
from pathlib import Path

import pytest

from modelbuild.artifact import Artifact
from modelbuild.declaration import Quicker
from modelbuild.errors import UsageError
from modelbuild.runtime import Reading, builtin_runtimes, chosen_options, load_runtime, read, supported_python

MINIMAL = 'name = "x"\ntitle = "X"\nsummary = "x files"\n'
RULE = '[[detect]]\nglob = "*.x"\n'


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, reader: str = "") -> Path:
        (tmp_path / "runtime.toml").write_text(text)
        if reader:
            (tmp_path / "reader.py").write_text(reader)
        return tmp_path

    return write


def artifact(tmp_path: Path) -> Artifact:
    return Artifact("m", (), is_folder=False, digest="", source=tmp_path)


def test_the_runtimes_that_come_along():
    found = {runtime.name: runtime for runtime in builtin_runtimes()}
    assert {"onnx", "sklearn"} <= found.keys()
    assert list(found) == sorted(found)
    assert all(runtime.folder.name == runtime.name for runtime in found.values())


def test_finding_them_imports_no_server():
    before = set(sys.modules)
    builtin_runtimes()
    assert not {name for name in set(sys.modules) - before if name.startswith("modelbuild_runtime")}


def test_every_key_is_read(write):
    runtime = load_runtime(
        write(
            MINIMAL
            + """
            python = ">=3.10"
            requirements = ["x", "numpy"]
            package = "x"
            pin = "=="
            system_packages = ["libgomp1"]
            environment = { X_QUIET = "1" }
            max_size_mb = 300
            [[python_for]]
            version = "<2"
            python = "<3.12"
            [requires]
            x = ["numpy"]
            [prepare]
            requirements = ["x-tools"]
            [optimise]
            runtime = "onnx"
            requirements = ["x-to-onnx"]
            [pickle]
            classes = ["x.*"]
            [unneeded]
            x = ["x/include"]
            """
            + RULE
        )
    )
    assert runtime.requirements == ("x", "numpy")
    assert runtime.system_packages == ("libgomp1",)
    assert runtime.environment == {"X_QUIET": "1"}
    assert runtime.max_size_mb == 300
    assert runtime.requires == {"x": ("numpy",)}
    assert runtime.prepare_requirements == ("x-tools",)
    assert runtime.optimise == Quicker("onnx", ("x-to-onnx",))
    assert runtime.pickle.classes == ("x.*",)
    assert runtime.unneeded == {"x": ("x/include",)}


@pytest.mark.parametrize(
    "text, message, hint",
    [
        (MINIMAL + 'requirement = ["x"]\n' + RULE, "unknown key 'requirement'", "requirements"),
        (MINIMAL + '[[detect]]\npickle_globe = "x"\n', "unknown word 'pickle_globe'", "pickle_global"),
        (MINIMAL + '[[detect]]\nmagic = "xyz"\n', "'magic' cannot be 'xyz'", "hexadecimal"),
        (MINIMAL + "[[detect]]\nglob = 3\n", "'glob' cannot be 3", "pattern"),
        (MINIMAL + "[[detect]]\nprotobuf = { require = [1] }\n", "'protobuf' cannot be", "required"),
        (MINIMAL + "[[detect]]\n", "'detect' must be tables", ""),
        (MINIMAL, "lacks 'detect'", ""),
        ('name = "x"\n' + RULE, "lacks 'title', 'summary'", ""),
        (MINIMAL + 'pin = "~="\n' + RULE, "'pin' cannot be '~='", "=="),
        (MINIMAL + 'requirements = "x"\n' + RULE, "'requirements' must be a list", ""),
        (MINIMAL + 'requirements = ["x y"]\n' + RULE, "x y", ""),
        (MINIMAL + 'package = "y"\nrequirements = ["x"]\n' + RULE, "'y' is not among the requirements", ""),
        (MINIMAL + 'python = "three"\n' + RULE, "three", ""),
        (MINIMAL + "environment = { A = 1 }\n" + RULE, "'A' must be a text", ""),
        (MINIMAL + '[[python_for]]\nversion = "1"\n' + RULE, "'version' and 'python'", ""),
        (MINIMAL + "[prepare]\nneeds = []\n" + RULE, "unknown key 'needs'", "requirements"),
        (MINIMAL + "[optimise]\nto = 'onnx'\n" + RULE, "unknown key 'to'", "runtime"),
        (MINIMAL + "[optimise]\nruntime = 1\n" + RULE, "[optimise] runtime must be a text", ""),
        (MINIMAL + '[optimise]\nrequirements = ["o x"]\n' + RULE, "o x", ""),
        (MINIMAL + "[requires]\nx = 1\n" + RULE, "[requires] 'x' must be a list", ""),
        (MINIMAL + '[requires]\nx = ["n p"]\n' + RULE, "n p", ""),
        (MINIMAL + "[pickle]\nallow = []\n" + RULE, "unknown key 'allow'", "classes"),
        (MINIMAL + "[unneeded]\nx = 1\n" + RULE, "[unneeded] x must be a list of texts", ""),
        (MINIMAL + '[options]\nn = { kind = "list", help = "N." }\n' + RULE, "[options] n has a 'kind'", ""),
        (MINIMAL + "max_size_mb = true\n" + RULE, "'max_size_mb' must be a int", ""),
        ("name = ", "cannot be read", ""),
    ],
)
def test_what_is_wrong_is_named(write, text, message, hint):
    with pytest.raises(UsageError) as caught:
        load_runtime(write(text))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_folder_without_a_runtime(tmp_path):
    with pytest.raises(UsageError, match=r"has no runtime\.toml"):
        load_runtime(tmp_path)


def test_the_reader_is_loaded_by_its_path(write, tmp_path):
    reader = """
from dataclasses import dataclass
from modelbuild.runtime import Reading
@dataclass
class Fact:
    name: str
def read(artifact):
    return Reading(Fact(artifact.name).name)
"""
    assert read(load_runtime(write(MINIMAL + RULE, reader)), artifact(tmp_path)).format == "m"


@pytest.mark.parametrize(
    "reader, message",
    [
        ("def read(artifact: return", "cannot be loaded"),
        ("import nothing_of_this_name", "cannot be loaded: No module named"),
        ("x = 1", "has no function read"),
        ("def read(artifact): return {}", "returned a dict"),
    ],
)
def test_readers_that_are_none(write, tmp_path, reader, message):
    with pytest.raises(UsageError, match=message):
        read(load_runtime(write(MINIMAL + RULE, reader)), artifact(tmp_path))


CHOICES = '[options]\nthreads = { kind = "int", help = "Threads." }\npart = { kind = "text", help = "Which part." }\n'


def test_options_are_values(write):
    runtime = load_runtime(write(MINIMAL + CHOICES + RULE))
    assert chosen_options(runtime, {"threads": "4", "part": "4"}) == {"threads": 4, "part": "4"}
    with pytest.raises(UsageError, match="threads cannot be 'many'"):
        chosen_options(runtime, {"threads": "many"})
    with pytest.raises(UsageError, match="no option 'thread'") as caught:
        chosen_options(runtime, {"thread": "4"})
    assert "threads: Threads." in caught.value.hint
    assert "part: Which part." in caught.value.hint


def test_a_reader_may_depend_on_options(write, tmp_path):
    reader = (
        "from modelbuild.runtime import Reading\n\n\ndef read(artifact, chosen):\n    return Reading(chosen['part'])\n"
    )
    runtime = load_runtime(write(MINIMAL + CHOICES + RULE, reader))
    assert read(runtime, artifact(tmp_path), {"part": "b"}) == Reading("b")


def test_no_reader_is_no_facts(write, tmp_path):
    assert read(load_runtime(write(MINIMAL + RULE)), artifact(tmp_path)) == Reading("X")


def test_the_python_follows_the_framework():
    (sklearn,) = [runtime for runtime in builtin_runtimes() if runtime.name == "sklearn"]
    assert supported_python(sklearn, "1.2.2") == "<3.12,>=3.8,>=3.9"
    assert supported_python(sklearn, "1.9.1") == "<3.15,>=3.11,>=3.9"
    assert supported_python(sklearn, "1.5.2rc1") == "<3.14,>=3.9"
    assert supported_python(sklearn, "") == ">=3.9"
