"""Looking at a base image before anything is built on it: is it there, for this platform, with a Python?"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from docker.errors import APIError, NotFound

from modelbuild.engines.container import created
from modelbuild.engines.details import digest_of
from modelbuild.engines.failure import engine_errors, said
from modelbuild.engines.transfer import Transfer, pull_events
from modelbuild.errors import BaseImageError, RegistryError
from modelbuild.host import Host
from modelbuild.planning.plan import BaseImage
from modelbuild.progress import Progress
from modelbuild.registry.credentials import find_credentials
from modelbuild.registry.push import refusal
from modelbuild.registry.reference import parse

# Run once in each base image. -I -S: nothing of the image's own site-packages can interfere.
PROBE = """
import glob, json, platform, subprocess, sys
libc = " ".join(platform.libc_ver()).strip()
loader = glob.glob("/lib/ld-musl-*.so.1")
if loader:
    said = subprocess.run(loader[:1], stderr=subprocess.PIPE, universal_newlines=True).stderr
    libc = "musl " + (said.split("Version ")[-1].split()[0] if "Version " in said else "")
packages = []
for path in ["/var/lib/dpkg/status"] + glob.glob("/var/lib/dpkg/status.d/*"):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            packages += [line[9:].strip() for line in file if line.startswith("Package: ")]
    except OSError:
        pass
print(json.dumps({"python": "%d.%d" % sys.version_info[:2], "libc": libc.strip(), "packages": sorted(set(packages))}))
"""

OTHER_BASES = "--base takes any image with a python3; `mbuild base` makes a small one where no registry is reachable."


_OFFICIAL = re.compile(r"python:(3\.\d+)-slim")


def find_base(
    client: Any, host: Host, reference: str, platform: str, *, native: str, pull: bool, progress: Progress
) -> BaseImage:
    """The base image as the engine has it, pulled if need be. ``native`` is the platform that the engine runs."""
    parse(reference)
    others = _other_bases(reference, platform, native)
    details = _local(client, reference)
    if pull or details is None or not same_platform(details, platform):
        _pull(client, host, reference, platform, progress, has=details, others=others)
        details = _local(client, reference)
    if details is None or not same_platform(details, platform):
        raise BaseImageError(f"The base image {reference} is not for {platform}.", hint=others)
    facts = _facts(client, host, details, reference, runs=same_platform(details, native))
    return BaseImage(
        reference=reference,
        digest=digest_of(details, reference),
        id=details["Id"],
        platform=platform,
        python=facts["python"],
        libc=facts["libc"],
        packages=tuple(facts["packages"]),
    )


def same_platform(details: Mapping[str, Any], platform: str) -> bool:
    """Whether an image is for a platform; a variant counts only where both name one."""
    system, architecture, variant = (*platform.split("/"), "", "")[:3]
    if (details["Os"], details["Architecture"]) != (system, architecture):
        return False
    has = details.get("Variant") or ""
    return not (variant and has) or variant == has


def _local(client: Any, reference: str) -> Mapping[str, Any] | None:
    with engine_errors(f"looking at {reference}"), suppress(NotFound):
        details: Mapping[str, Any] = client.inspect_image(reference)
        return details
    return None


def _pull(
    client: Any,
    host: Host,
    reference: str,
    platform: str,
    progress: Progress,
    *,
    has: Mapping[str, Any] | None,
    others: str,
) -> None:
    target = parse(reference)
    progress.step("Pulling", reference)
    transfer = Transfer(progress)
    login = find_credentials(target.registry, host.environment)
    with engine_errors(f"pulling {reference}"):
        try:
            for event in pull_events(client, target, platform, login):
                transfer.feed(event)
        except APIError as error:
            transfer.error = said(error)
    if transfer.error:
        refused = _not_pulled(transfer.error, reference, logged_in=login is not None, others=others)
        if has and not same_platform(has, platform):
            refused.message += f" The one that the engine has is for {has['Os']}/{has['Architecture']}, not {platform}."
        raise refused


def _not_pulled(message: str, reference: str, *, logged_in: bool, others: str) -> BaseImageError:
    lower = message.lower()
    if "no matching manifest" in lower or "does not match the specified platform" in lower:
        return BaseImageError(f"The base image {reference} does not exist for this platform.", details=message)
    if "manifest unknown" in lower or "not found" in lower or "does not exist" in lower:
        return BaseImageError(f"There is no base image {reference}.", details=message, hint=others)
    why: RegistryError = refusal(message, reference, logged_in=logged_in, doing="pull")
    return BaseImageError(why.message, details=message, hint=f"{others}\n{why.hint}")


def _other_bases(reference: str, platform: str, native: str) -> str:
    """With the command that makes one of the same Python, where the reference tells which. It makes them for the
    engine's own platform alone.
    """
    if platform != native:
        return f"--base takes any image for {platform} with a python3."
    python = _OFFICIAL.fullmatch(reference)
    return OTHER_BASES.replace("`mbuild base`", f"`mbuild base --python {python[1]}`") if python else OTHER_BASES


def _facts(client: Any, host: Host, details: Mapping[str, Any], reference: str, *, runs: bool) -> Mapping[str, Any]:
    """Python, libc and packages of an image, asked once for each image id."""
    kept = host.cache / "bases" / f"{details['Id'].removeprefix('sha256:')}.json"
    with suppress(OSError, ValueError):
        known: Mapping[str, Any] = json.loads(kept.read_bytes())
        if "packages" in known:
            return known
    facts = _ask(client, details, reference) if runs else _guess(details, reference)
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(facts))
    return facts


def _ask(client: Any, details: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    code, said = _run(client, details["Id"], reference)
    try:
        if code == 0:
            facts: Mapping[str, Any] = json.loads(said.splitlines()[-1])
            return facts
    except (ValueError, IndexError):
        pass
    raise BaseImageError(
        f"The base image {reference} has a python3 that does not work.", details=said, hint=OTHER_BASES
    )


def _run(client: Any, image: str, reference: str) -> tuple[int, str]:
    """Run the probe; there is no network, and nothing but its two lines comes back."""
    doing = f"looking into {reference}"
    settings = {
        "entrypoint": ["python3", "-I", "-S", "-c", PROBE],
        "command": [],
        "host_config": client.create_host_config(
            network_mode="none", cap_drop=["ALL"], log_config={"Type": "json-file", "Config": {}}
        ),
    }
    with created(client, image, doing, settings) as container, engine_errors(doing):
        try:
            client.start(container)
        except APIError as error:
            raise _no_python(said(error), reference) from error
        code = int(client.wait(container)["StatusCode"])
        return code, client.logs(container).decode(errors="replace")


def _no_python(message: str, reference: str) -> BaseImageError:
    if "not found" in message or "no such file" in message:
        return BaseImageError(f"The base image {reference} has no python3 on its PATH.", hint=OTHER_BASES)
    return BaseImageError(f"The base image {reference} cannot be started.", details=message, hint=OTHER_BASES)


def _guess(details: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    """For a foreign architecture: what the image says of itself. The official ones name their Python."""
    environment = dict(entry.split("=", 1) for entry in details["Config"].get("Env") or () if "=" in entry)
    version = environment.get("PYTHON_VERSION", "")
    if not version:
        raise BaseImageError(
            f"The base image {reference} is for {details['Architecture']}, which the engine does not run, and does not "
            "say its Python.",
            hint="Use an official python image, or give yours ENV PYTHON_VERSION.",
        )
    libc = "musl" if "alpine" in reference else "glibc"
    return {"python": ".".join(version.split(".")[:2]), "libc": libc, "packages": []}
