"""Pickles are code. This scans one without executing it and says, by name, what loading it would do."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelbuild.errors import ArtifactError
from modelbuild.formats.compression import compression, open_plain
from modelbuild.pickles.machine import Machine
from modelbuild.pickles.policy import PicklePolicy, shared_policy
from modelbuild.pickles.symbols import PickleError, Trace, Use
from modelbuild.runtime import Finding

WATCHED = (
    *("_sklearn_version", "_sklearn_output_config", "feature_names_in_"),
    *("_fitted_with_feature_names", "handle"),
    *("formula", "restore_design_info", "restore_model_spec"),
)
STDLIB = sys.stdlib_module_names | {"__builtin__", "distutils", "imp", "asyncore", "asynchat", "smtpd", "cgi", "pipes"}
STEPS_A_BYTE = 8
FREE_STEPS = 1_000_000
MAX_STEPS = 200_000_000
EASIER_TO_LOAD = "Save it again with a current joblib.dump(model, path)."


@dataclass(frozen=True, slots=True)
class PickleScan:
    """What a pickle refers to. ``problem`` is why it cannot be read to its end, empty where it can.

    ``root`` is the symbol of the object it stands for, ``noted`` the values of the keys in ``WATCHED``.
    """

    compression: str
    protocol: int
    uses: dict[tuple[str, str], Use]
    oddities: tuple[tuple[int, str], ...]
    noted: dict[str, list[object]]
    nested: tuple[tuple[int, bytes], ...]
    root: object
    arrays: int
    problem: str

    @property
    def globals(self) -> tuple[str, ...]:
        """Every name that it refers to, as module.name."""
        return tuple(f"{module}.{name}" for module, name in self.uses)

    @property
    def modules(self) -> frozenset[str]:
        """The top-level packages that it refers to."""
        return frozenset(module.partition(".")[0] for module, _ in self.uses)


def scan(path: Path) -> PickleScan:
    """Run a pickle's opcodes on symbols. Never raises for what is in the file: ``problem`` says it."""
    status = path.stat()
    return _scan(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _scan(path: Path, size: int, _modified: int) -> PickleScan:
    """Remembered, because detection and the runtime's reader both want it."""
    trace = Trace()
    root: object = None
    problem = ""
    with open_plain(path) as stream:
        kind = _compression(path)
        machine = Machine(stream, trace, watch=WATCHED, budget=min(MAX_STEPS, FREE_STEPS + STEPS_A_BYTE * size))
        try:
            root = machine.run()
        except PickleError as error:
            problem = str(error)
        except ArtifactError as error:
            problem = error.message
    return PickleScan(
        kind,
        trace.protocol,
        trace.uses,
        tuple(trace.oddities),
        trace.noted,
        tuple(trace.nested),
        root,
        trace.arrays,
        problem,
    )


def _compression(path: Path) -> str:
    with path.open("rb") as file:
        return compression(file.read(8))


def scan_bytes(data: bytes, *, count: int = 1) -> PickleScan:
    """The same for a pickle inside another file, or for ``count`` of them one behind the other."""
    trace = Trace()
    problem = ""
    stream = io.BytesIO(data)
    try:
        for _ in range(count):
            Machine(stream, trace, budget=FREE_STEPS + STEPS_A_BYTE * len(data)).run()
    except PickleError as error:
        problem = str(error)
    return PickleScan(
        "", trace.protocol, trace.uses, tuple(trace.oddities), {}, tuple(trace.nested), None, trace.arrays, problem
    )


def is_pickle(found: PickleScan) -> bool:
    """Whether the bytes are a pickle at all, as opposed to something that begins like one."""
    return not found.problem or (found.protocol >= 2 and bool(found.compression or found.uses)) or found.protocol >= 4


def judge(found: PickleScan, policy: PicklePolicy, *, depth: int = 0) -> tuple[Finding, ...]:
    """What loading it could execute beyond what ``policy`` and the shared policy allow, worst first."""
    whole = shared_policy() | policy
    findings = [Finding("danger", what, f"at byte {offset}") for offset, what in found.oddities]
    for (module, name), use in found.uses.items():
        severity = _severity(module, name, use, whole)
        if severity:
            findings.append(Finding(severity, f"{module}.{name}", _where(module, use)))
    if depth == 0:
        findings += _nested(found, whole)
    order = ("danger", "review", "info")
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.severity)))


def judge_use(module: str, name: str, use: Use, policy: PicklePolicy) -> str:
    """How one name is judged: "danger", "review" or "" for harmless."""
    return _severity(module, name, use, shared_policy() | policy)


def _where(module: str, use: Use) -> str:
    where = f"{'called' if use.called else 'referred to'} at byte {use.offset}"
    if module == "__main__":
        return f"{where}; it was defined in the script that trained the model: the handler has to define it"
    return where


def _nested(found: PickleScan, policy: PicklePolicy) -> Iterator[Finding]:
    """Bytes in a pickle that are themselves a pickle: harmless until something loads them."""
    for offset, data in found.nested:
        for finding in judge(scan_bytes(data), policy, depth=1):
            if finding.severity == "danger":
                yield Finding("danger", finding.what, f"in a pickle inside, at byte {offset}")


def _severity(module: str, name: str, use: Use, policy: PicklePolicy) -> str:
    if policy.denies(module, name):
        return "danger"
    if policy.allows(module, name):
        return ""
    if (module, name) == ("builtins", "getattr") and not use.called:
        return ""
    top = module.partition(".")[0]
    if "." in name or (top in STDLIB and top != "__main__"):
        return "danger"
    if use.called and top in _trusted(policy):
        return "danger"
    return "review"


def _trusted(policy: PicklePolicy) -> frozenset[str]:
    """Packages of which the policy knows what a model needs: any other call into them is suspicious."""
    return frozenset(pattern.partition(".")[0] for pattern in policy.classes + policy.callables)
