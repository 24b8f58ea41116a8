"""``config.properties`` of Multi-Model-Server and TorchServe: what of it still makes sense here, as this server's own
variables. Variables that are set win over the file, as there where ``enable_envvars_config`` says so.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

import msgspec

from modelbuild_runtime.errors import SettingError
from modelbuild_runtime.settings import PREFIX, Settings
from modelbuild_runtime.torchserve.java_properties import read_properties

NAME = "config.properties"
FILES = ("TS_CONFIG_FILE", "MMS_CONFIG_FILE")
PREFIXES = ("TS_", "MMS_")
DECODE = "TS_DECODE_INPUT_REQUEST"
_CERTIFICATE = f"{PREFIX}TLS_CERTIFICATE"
_INTERPOLATED = re.compile(r"\$\$([^$]+)\$\$")
_ADDRESS = re.compile(r"(https?)://(\[[^\]]+\]|[^:/]+)(?::(\d+))?/?", re.IGNORECASE)

Variables = Dict[str, str]


class Configured(NamedTuple):
    """Variables by name, for where they are not set already; and what is to be told once, if anything."""

    variables: Variables
    warning: str = ""


class Served(NamedTuple):
    """What the manifest says of the model, where it is one for those servers' handlers."""

    name: str
    version: str
    folders: Tuple[Path, ...]


def configured(environment: Mapping[str, str]) -> Configured:
    """The variables of the file that the environment names, or that lies beside the handler or the model.

    Raises:
        SettingError: the file that is named is not there, or what is in it cannot be right.
    """
    served = _served(Path(environment.get(f"{PREFIX}MANIFEST") or Settings.manifest))
    path = _path(environment, served)
    if path is None:
        return Configured({})
    try:
        properties = read_properties(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"{path} cannot be read: {error}") from error
    properties = {key: _interpolated(value, environment, path) for key, value in properties.items()}
    if properties.pop("enable_envvars_config", "").lower() == "true":
        properties.update(_overrides(environment))
    _check_tls(properties.get("inference_address", ""), environment, path)
    return _translated(properties, served, path)


def _path(environment: Mapping[str, str], served: Optional[Served]) -> Optional[Path]:
    for variable in FILES:
        if environment.get(variable):
            path = Path(environment[variable])
            if not path.is_file():
                raise SettingError(f"{variable}={str(path)!r} is no file")
            return path
    folders = served.folders if served is not None else ()
    return next((folder / NAME for folder in folders if (folder / NAME).is_file()), None)


def _served(manifest: Path) -> Optional[Served]:
    """Read without a check, which whoever loads the model makes, and tells better."""
    try:
        said = msgspec.json.decode(manifest.read_bytes())
        model, handler = said["model"], said["handler"]
        if handler["style"] != "torchserve":
            return None
        root = manifest.parent
        folders = (root / handler.get("path", "handler"), (root / model["path"]).parent)
        return Served(model["name"], model["version"], folders)
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return None


def _interpolated(value: str, environment: Mapping[str, str], path: Path) -> str:
    """``$$NAME$$`` is the variable's value."""

    def replaced(match: re.Match[str]) -> str:
        if match.group(1) not in environment:
            raise SettingError(f"{path} uses the variable {match.group(1)}, which is not set")
        return environment[match.group(1)]

    return _INTERPOLATED.sub(replaced, value)


def _overrides(environment: Mapping[str, str]) -> Dict[str, str]:
    """TS_JOB_QUEUE_SIZE and its like."""
    return {
        key: environment[prefix + key.upper()]
        for prefix in reversed(PREFIXES)
        for key in _KEYS
        if environment.get(prefix + key.upper())
    }


def _check_tls(address: str, environment: Mapping[str, str], path: Path) -> None:
    """Who asks for TLS gets TLS, or nothing. The variable may be empty, and says then that there is to be none."""
    if address.lower().startswith("https:") and _CERTIFICATE not in environment:
        raise SettingError(
            f"{path}: inference_address={address!r} asks for TLS, whose files are named in {_CERTIFICATE}",
            f"Set {_CERTIFICATE} and {PREFIX}TLS_KEY to the files of certificate_file and private_key_file; "
            "keytool and openssl make such files, which are PEM, of a keystore.",
        )


def _translated(properties: Mapping[str, str], served: Optional[Served], path: Path) -> Configured:
    variables: Variables = {}
    unused: List[str] = []
    for key, value in properties.items():
        if key == "models":
            continue
        translate = _KEYS.get(key)
        try:
            found = translate(value) if translate is not None else None
        except ValueError as error:
            raise SettingError(f"{path}: {key}={value!r} is {error}") from error
        if found is None:
            unused.append(key)
        else:
            variables.update(found)
    if "models" in properties:
        variables.update(_of_model(properties["models"], served, path))
    warning = f"{path}: these keys have no meaning here: {', '.join(sorted(unused))}" if unused else ""
    return Configured(variables, warning)


def _of_model(text: str, served: Optional[Served], path: Path) -> Variables:
    """What ``models`` says of this model: a JSON object by model and version."""
    try:
        models = msgspec.json.decode(text)
        version = _entry(_entry(models, served.name if served else ""), served.version if served else "")
        variables: Variables = {}
        for key, variable in _OF_MODEL.items():
            if key in version:
                variables.update(_count(variable)(str(version[key])))
    except (msgspec.DecodeError, ValueError, AttributeError, TypeError) as error:
        raise SettingError(f"{path}: models is no JSON object of models, versions and their numbers") from error
    return variables


def _entry(entries: Mapping[str, Any], name: str) -> Any:
    """The one of this name, or the only one, or the one that is the default."""
    if name in entries:
        return entries[name]
    default = [entry for entry in entries.values() if entry.get("defaultVersion")]
    return next(iter(default or (entries.values() if len(entries) == 1 else ())), {})


def _count(variable: str) -> Callable[[str], Variables]:
    """A number that a variable takes as it is; 0 leaves it to the server, there and here."""

    def translate(value: str) -> Variables:
        if not value.isdigit():
            raise ValueError("not a whole number")
        return {variable: value} if int(value) else {}

    return translate


def _switch(variable: str) -> Callable[[str], Variables]:
    return lambda value: {variable: "true" if value.lower() == "true" else "false"}


def _address(value: str) -> Optional[Variables]:
    """Where to listen. Sockets of files have no port."""
    match = _ADDRESS.fullmatch(value)
    if match is None:
        return None
    found = {f"{PREFIX}HOST": match.group(2).strip("[]")}
    return {**found, f"{PREFIX}PORT": match.group(3)} if match.group(3) else found


_KEYS: Mapping[str, Callable[[str], Optional[Variables]]] = {
    "inference_address": _address,
    "grpc_inference_port": _count(f"{PREFIX}GRPC_PORT"),
    "default_workers_per_model": _count(f"{PREFIX}WORKERS"),
    "job_queue_size": _count(f"{PREFIX}QUEUE"),
    "default_response_timeout": _count(f"{PREFIX}TIMEOUT"),
    "default_response_timeout_seconds": _count(f"{PREFIX}TIMEOUT"),
    "max_request_size": _count(f"{PREFIX}MAX_BODY"),
    "preload_model": _switch(f"{PREFIX}PRELOAD"),
    "decode_input_request": _switch(DECODE),
}
_OF_MODEL = {"minWorkers": f"{PREFIX}WORKERS", "batchSize": "TS_BATCH_SIZE", "responseTimeout": f"{PREFIX}TIMEOUT"}
