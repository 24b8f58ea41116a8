"""What a file of PyTorch's says of itself, without PyTorch: which of its formats it is, what goes in and comes out, and
what loading it could execute.
"""

from __future__ import annotations

import dataclasses
import io
import re
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.version import InvalidVersion, Version

from modelbuild.artifact import Artifact
from modelbuild.errors import ArtifactError, UnsupportedModelError
from modelbuild.formats import archive
from modelbuild.formats.safetensors import read_header
from modelbuild.formats.torch_export import Exported, ExportError, Port, read_program
from modelbuild.handlers.distributions import is_stdlib, of_model
from modelbuild.pickles.machine import OUTSIDE
from modelbuild.pickles.scan import PickleScan, judge, scan_bytes
from modelbuild.runtime import Finding, Reading, load_runtime
from modelbuild.signature import Signature, TensorSpec

AGAIN = "Copy or save it again."
BUILDER = "build_model"
"""The handler's function that returns the module of the weights."""
MAX_PICKLE = 1 << 27
MAX_CODE = 1 << 25
OLD_PICKLES = 4
"""In files of before 1.6: a number, a version, facts on the machine, and the object."""
OLD_PROGRAM = "serialized_exported_program.json"

WEIGHTS = (
    *(
        "collections.OrderedDict",
        "collections.Counter",
        "torch._utils._rebuild_*",
        "torch._tensor._rebuild_from_type_v2",
    ),
    *("torch.*Storage", "torch.storage.*Storage", "torch.Size", "torch.Tensor", "torch.nn.parameter.Parameter"),
    *("torch.device", "torch.float*", "torch.bfloat16", "torch.int*", "torch.uint*", "torch.bool", "_codecs.encode"),
)
"""What files of nothing but weights refer to. PyTorch's own loader for such takes no more."""

FILES = re.compile(r"\btorch\.(save|from_file)\(")
"""With these a TorchScript program writes or reads files."""
PACKAGES = re.compile(r"\bops\.(\w+)\.(\w+)")
OWN = frozenset({"aten", "prim", "prims", "quantized", "_quantized", "higher_order", "sym", "inductor"})


def read(artifact: Artifact) -> Reading:
    """Read a file of PyTorch's.

    Raises:
        ArtifactError: it is cut off or corrupt.
        UnsupportedModelError: it was compiled for one machine, or takes what no protocol can carry.
    """
    if artifact.is_folder:
        raise UnsupportedModelError(f"{artifact.name} is a folder.", hint="Give the model's file in it.")
    with artifact.source.open("rb") as file:
        head = file.read(16)
    if head[8:9] == b"{" and not head.startswith(archive.MAGIC):
        return _safetensors(artifact)
    if not head.startswith(archive.MAGIC):
        return _saved(artifact, "torch.save (before 1.6)", _scan_old(artifact.source))
    with archive.open_zip(artifact.source) as opened:
        names = opened.namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            return _script(artifact, opened)
        if OLD_PROGRAM in names or any("/models/" in name for name in names):
            return _program(artifact, opened)
        return _saved(artifact, "torch.save", _pickled(opened, artifact.name))


# TorchScript.


def _script(artifact: Artifact, opened: zipfile.ZipFile) -> Reading:
    findings: dict[Finding, None] = {}
    for name in opened.namelist():
        if "/code/" in name and name.endswith(".py"):
            text = archive.read_member(opened, name, MAX_CODE).decode("utf-8", errors="replace")
            findings.update(dict.fromkeys(_in_code(text, name)))
    if not any(name.endswith("/data.pkl") for name in opened.namelist()):
        raise ArtifactError(f"{artifact.name} is a TorchScript archive without its data.pkl.", hint=AGAIN)
    traced = any(name.endswith("/traced_inputs.pkl") for name in opened.namelist())
    return Reading(
        "torchscript",
        findings=tuple(findings),
        metadata={"kind": "traced" if traced else "scripted", "file format": _format(opened)},
    )


def _in_code(text: str, name: str) -> Iterator[Finding]:
    where = name.partition("/code/")[2]
    for found in FILES.finditer(text):
        yield Finding(
            "danger", f"torch.{found[1]}", f"in {where}: it {'writes' if found[1] == 'save' else 'reads'} a file"
        )
    yield from _foreign(f"{package}.{operator}" for package, operator in PACKAGES.findall(text))


def _foreign(operators: Iterator[str]) -> Iterator[Finding]:
    """Operators that PyTorch alone does not have."""
    for package in sorted({operator.partition(".")[0] for operator in operators} - OWN):
        yield Finding("review", f"operators of {package}", f"import {package} in a handler, and require it")


def _format(opened: zipfile.ZipFile) -> str:
    name = next((name for name in opened.namelist() if name.count("/") == 1 and name.endswith("/version")), "")
    return archive.read_member(opened, name, 100).decode("ascii", errors="replace").strip() if name else ""


# torch.export.


def _program(artifact: Artifact, opened: zipfile.ZipFile) -> Reading:
    names = opened.namelist()
    if any("/aotinductor/" in name for name in names):
        raise UnsupportedModelError(
            f"{artifact.name} was compiled by AOTInductor, for one kind of machine.",
            hint="Save the program itself: torch.export.save(program, 'model.pt2').",
        )
    graphs = [name for name in names if name == OLD_PROGRAM or (name.endswith(".json") and "/models/" in name)]
    if len(graphs) != 1:
        raise UnsupportedModelError(
            f"{artifact.name} holds {len(graphs)} programs.", hint="Save one of them by itself."
        )
    try:
        found = read_program(archive.read_member_json(opened, graphs[0]))
    except ExportError as error:
        raise ArtifactError(f"{graphs[0]} in {artifact.name} is no program: {error}.", hint=AGAIN) from error
    targets = (target.removeprefix("torch.ops.") for target in found.operators if target.startswith("torch.ops."))
    findings = (*_foreign(targets), *_inside(opened, artifact.name))
    files = sorted(target for target in found.operators if target.startswith("torch.ops.aten.from_file"))
    findings += tuple(Finding("danger", target, "it reads a file") for target in files)
    return Reading(
        "torch.export",
        _signature(artifact, found),
        _version(found.version),
        # What torch.export imports; TorchScript and weights do without.
        requirements=("filelock", "networkx", "sympy"),
        findings=findings,
        metadata={"written by": f"PyTorch {found.version}"} if found.version else {},
    )


def _inside(opened: zipfile.ZipFile, where: str) -> Iterator[Finding]:
    """What pickles within would execute: PyTorch loads some of them without any guard."""
    pickled = {name for name in opened.namelist() if name.endswith((".pt", ".pkl"))}
    for name in opened.namelist():
        if name.endswith(("_weights_config.json", "_constants_config.json")):
            document = archive.read_member_json(opened, name)
            entries = document.get("config", {}) if isinstance(document, dict) else {}
            folder = name.rpartition("/")[0]
            for entry in entries.values():
                if isinstance(entry, dict) and entry.get("use_pickle"):
                    pickled.add(f"{folder}/{entry.get('path_name')}")
    for name in sorted(pickled):
        data = archive.read_member(opened, name, MAX_PICKLE)
        for finding in _judged(_scan_any(data, f"{name} in {where}")):
            yield dataclasses.replace(finding, where=f"in {name}: {finding.where}")


def _scan_any(data: bytes, where: str) -> PickleScan:
    """What torch.save wrote into a member of another archive, or a plain pickle."""
    if not data:
        return scan_bytes(b"N.")
    if not data.startswith(archive.MAGIC):
        return scan_bytes(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as inner:
            return _pickled(inner, where)
    except zipfile.BadZipFile as error:
        raise ArtifactError(f"{where} is corrupt: {error}.", hint=AGAIN) from error


def _signature(artifact: Artifact, found: Exported) -> Signature:
    return Signature(
        tuple(_spec(artifact, port, "input") for port in found.inputs),
        tuple(_spec(artifact, port, "output") for port in found.outputs),
    )


def _spec(artifact: Artifact, port: Port, what: str) -> TensorSpec:
    if not port.datatype:
        raise UnsupportedModelError(
            f"The {what} {port.name!r} of {artifact.name} is of a type that no protocol can carry.",
            hint="Export the model with tensors of real numbers.",
        )
    return TensorSpec(port.name, port.datatype, port.shape)


def _version(text: str) -> str:
    """The release that wrote it. A candidate or a nightly counts as what it became."""
    try:
        return Version(text).base_version
    except InvalidVersion:
        return ""


# torch.save and safetensors.


def _pickled(opened: zipfile.ZipFile, where: str) -> PickleScan:
    name = next((name for name in opened.namelist() if name.endswith("/data.pkl")), "")
    if not name:
        raise ArtifactError(f"{where} has no data.pkl.", hint=AGAIN)
    return scan_bytes(archive.read_member(opened, name, MAX_PICKLE))


def _scan_old(path: Path) -> PickleScan:
    """The tensors come behind the pickles."""
    with path.open("rb") as file:
        return scan_bytes(file.read(MAX_PICKLE), count=OLD_PICKLES)


def _judged(found: PickleScan) -> tuple[Finding, ...]:
    """Findings, the worst first; none for weights alone. Their tensors are the objects from outside."""
    if found.problem:
        return (Finding("danger", "a pickle that cannot be read to its end", found.problem),)
    oddities = tuple(item for item in found.oddities if item[1] != OUTSIDE)
    if not oddities and all(any(fnmatchcase(name, pattern) for pattern in WEIGHTS) for name in found.globals):
        return ()
    policy = load_runtime(Path(__file__).parent).pickle
    return judge(dataclasses.replace(found, oddities=oddities), policy) or (
        Finding("review", "a pickle of more than tensors", ", ".join(found.globals[:5])),
    )


def _saved(artifact: Artifact, kind: str, found: PickleScan) -> Reading:
    if found.problem:
        raise ArtifactError(f"{artifact.name} cannot be read: {found.problem}.", hint=AGAIN)
    findings = _judged(found)
    if not findings:
        return Reading(f"weights ({kind})", needs=BUILDER)
    # A module is code, however harmless its own pickle looks: the classes are looked up by name, and run.
    code = Finding("danger", "whatever its pickle says", "a module pickled whole; better save it as TorchScript")
    modules = sorted(found.modules - {"torch", "numpy", "__main__"})
    wanted = (of_model(module) for module in modules if not is_stdlib(module))
    return Reading(
        f"pickled module ({kind})",
        requirements=tuple(name for name in wanted if name),
        findings=(code, *findings),
        options={"pickled": True},
    )


def _safetensors(artifact: Artifact) -> Reading:
    header = read_header(artifact.source)
    facts = {"tensors": str(len(header.shapes)), "datatypes": ", ".join(sorted(set(header.dtypes.values())))}
    return Reading("weights (safetensors)", requirements=("safetensors",), needs=BUILDER, metadata=facts)
