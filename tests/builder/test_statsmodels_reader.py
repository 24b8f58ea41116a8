from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from builder import samples
from modelbuild.artifact import read_artifact
from modelbuild.errors import ArtifactError, UnsafeArtifactError
from modelbuild.formats.detect import detect
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.source import require_safe

RUNTIMES = builtin_runtimes()
STATSMODELS = next(runtime for runtime in RUNTIMES if runtime.name == "statsmodels")


def reading(data: bytes, folder: Path) -> Reading:
    (folder / "model").write_bytes(data)
    artifact = read_artifact(folder / "model", cache=folder / "cache")
    assert detect(artifact, RUNTIMES).name == "statsmodels"
    return read(STATSMODELS, artifact)


def with_formula(formula: str) -> bytes:
    """Results whose formula is another of the same length or shorter."""
    own = b"y ~ np.log(x) + C(c)"
    return samples.statsmodels().replace(own, formula.encode().ljust(len(own)))


def test_what_the_file_says(tmp_path):
    found = reading(samples.statsmodels(), tmp_path)
    assert (found.format, found.version, found.findings) == ("statsmodels pickle", "", ())
    assert found.metadata == {
        "results": "OLSResults",
        "model": "OLS",
        "formula": "y ~ np.log(x) + C(c)",
        "protocol": "4",
    }
    assert reading(zlib.compress(samples.statsmodels()), tmp_path).format == "statsmodels pickle (zlib)"


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [("restore_design_info", "statsmodels<0.15"), ("restore_model_spec", "statsmodels>=0.15")],
)
def test_the_version_by_what_it_keeps_of_a_formula(kept, wanted, tmp_path):
    own = "restore_model_spec" if b"restore_model_spec" in samples.statsmodels() else "restore_design_info"

    def short(text: str) -> bytes:
        return b"\x8c" + bytes([len(text)]) + text.encode()

    data = samples.statsmodels().replace(short(own), short(kept)).replace(b"\x95", b"\x95")
    found = reading(_reframed(data), tmp_path)
    assert found.requirements[0] == wanted


def _reframed(data: bytes) -> bytes:
    """Without frames, whose lengths a change has made wrong."""
    plain, at = bytearray(), 0
    while (place := data.find(b"\x95", at)) >= 0 and data[place + 4 : place + 9] == bytes(5):
        plain += data[at:place]
        at = place + 9
    return bytes(plain + data[at:])


@pytest.mark.parametrize(
    ("formula", "severity"),
    [
        ("y ~ x + C(c)", ""),
        ("y ~ np.exp(x)", ""),
        ("y ~ x.abs()", "review"),
        ("y ~ mine(x)", "review"),
        ("y ~ open('/x','w')", "danger"),
        ("y ~ eval('x')", "danger"),
        ("y ~ np.load('x')", "danger"),
        ("y ~ os.system('x')", "danger"),
        ("y ~ x.__class__", "danger"),
        ("y ~ (lambda: x)()", "danger"),
    ],
)
def test_a_formula_is_code(formula, severity, tmp_path):
    found = reading(with_formula(formula), tmp_path)
    assert {finding.severity for finding in found.findings} == ({severity} if severity else set())
    if severity == "danger":
        with pytest.raises(UnsafeArtifactError):
            require_safe(found, allow_unsafe=False)


def test_other_code_is_found_as_in_any_pickle(tmp_path):
    call = b"cstatsmodels.iolib.smpickle\nload_pickle\n(S'/x'\ntR."
    assert [finding.severity for finding in reading(call, tmp_path).findings] == ["danger"]


def test_what_is_cut_off(tmp_path):
    data = samples.statsmodels()
    with pytest.raises(ArtifactError, match="cannot be read"):
        reading(data[: len(data) // 2], tmp_path)
