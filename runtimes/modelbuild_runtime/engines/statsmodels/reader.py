"""What pickled results of statsmodels say of themselves: read from their opcodes, executing nothing.

A formula among them is code too: loading evaluates it again.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from pathlib import Path

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.handlers.distributions import is_stdlib, of_model
from modelbuild.pickles.objects import attributes, class_name
from modelbuild.pickles.policy import shared_policy
from modelbuild.pickles.scan import EASIER_TO_LOAD, PickleScan, judge, scan
from modelbuild.runtime import Finding, Reading, load_runtime

BROUGHT = frozenset({"statsmodels", "patsy", "numpy", "scipy", "pandas", "joblib", "formulaic"})
"""Packages that come with statsmodels."""

KNOWN = frozenset(
    {
        "C",
        "I",
        "Q",
        "Treatment",
        "Poly",
        "Sum",
        "Diff",
        "Helmert",
        "center",
        "standardize",
        "scale",
        "bs",
        "cr",
        "cc",
        "te",
    }
    | {"poly", "cs", "lag", "hashed", "contr", "abs", "float", "int", "len", "max", "min", "round", "str", "bool"}
)
"""Functions of formulas, and of Python what does no harm."""

_CALL = re.compile(r"([A-Za-z_][\w.]*)\s*\(")


def read(artifact: Artifact) -> Reading:
    """Read pickled results.

    Raises:
        ArtifactError: the file is cut off or corrupt.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the model's file in it.")
    found = scan(artifact.source)
    if found.problem:
        raise ArtifactError(f"{artifact.name} cannot be read: {found.problem}.", hint=EASIER_TO_LOAD)
    policy = load_runtime(Path(__file__).parent).pickle
    formulas = tuple(found.noted.get("formula", ()))
    return Reading(
        format=f"statsmodels pickle ({found.compression})" if found.compression else "statsmodels pickle",
        requirements=tuple(_requirements(found)),
        findings=(*judge(found, policy), *(finding for formula in formulas for finding in _judged(formula))),
        metadata=_metadata(found),
    )


def _requirements(found: PickleScan) -> Iterator[str]:
    """Nothing in the file says the version. What it keeps of a formula differs since 0.15, for good."""
    if "restore_design_info" in found.noted:
        yield "statsmodels<0.15"
    elif "restore_model_spec" in found.noted:
        yield "statsmodels>=0.15"
    if any(name.startswith("numpy._core.") for name in found.globals):
        yield "numpy>=2"
    modules = (module for module in sorted(found.modules) if module not in BROUGHT and not is_stdlib(module))
    yield from filter(None, map(of_model, modules))


def _judged(formula: object) -> Iterator[Finding]:
    """What evaluating a formula could do beyond arithmetic."""
    if formula is None:
        return
    where = "in a formula, which is evaluated when the model is loaded"
    if not isinstance(formula, str):
        yield Finding("danger", "a formula that cannot be read", where)
        return
    if "__" in formula or re.search(r"\b(lambda|import)\b", formula):
        yield Finding("danger", f"code in the formula {formula[:100]!r}", where)
    for name in dict.fromkeys(_CALL.findall(formula)):
        severity = _severity(name)
        if severity:
            yield Finding(severity, f"{name}()", where)


def _severity(name: str) -> str:
    head, _, rest = name.partition(".")
    if name in KNOWN:
        return ""
    if head in {"np", "numpy"}:
        return "" if shared_policy().allows("numpy", rest) else "danger"
    return "danger" if hasattr(builtins, head) or is_stdlib(head) else "review"


def _metadata(found: PickleScan) -> dict[str, str]:
    root = attributes(found.root)
    results = root.get("_results", found.root)
    model = attributes(results).get("model")
    formula = attributes(model).get("formula")
    facts = {
        "results": class_name(results).rpartition(".")[2],
        "model": class_name(model).rpartition(".")[2] if model is not None else "",
        "formula": formula if isinstance(formula, str) else "",
        "protocol": str(found.protocol),
    }
    return {key: value for key, value in facts.items() if value}
