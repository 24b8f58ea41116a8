"""mbuild: from a trained model and a feature module to a verified image with a fast server inside.

The verbs of the command line, for Python. Options are keywords, named as in ``modelbuild.config.Options``:

    import modelbuild

    packaged = modelbuild.package("model.onnx", handler="features.py", tag="fraud:1.0")
    modelbuild.push(packaged.image.reference)

Every error is a ``modelbuild.errors.MbuildError``.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelbuild.draft import Draft
    from modelbuild.engines import Pushed
    from modelbuild.packaging import Packaged
    from modelbuild.planning.plan import Plan
    from modelbuild.source import Source
    from modelbuild.verification.verify import Verification

__version__ = version("modelbuild")
__all__ = ["inspect", "package", "plan", "push", "render", "verify"]

# The imports are inside the verbs, so that ``import modelbuild`` in a notebook costs nothing.


def inspect(model: str | Path, **options: Any) -> Source:
    """What the model is: format, runtime, signature, safety findings. Runs none of its code."""
    from modelbuild.config import make_options
    from modelbuild.host import this_host
    from modelbuild.source import read_source

    return read_source(Path(model), make_options(options), this_host(os.environ))


def plan(model: str | Path, **options: Any) -> Plan:
    """What would be built."""
    return _draft(model, options).plan


def render(model: str | Path, folder: str | Path, *, portable: bool = False, **options: Any) -> Path:
    """Write a Dockerfile and its context into a folder."""
    draft = _draft(model, options)
    (draft.portable_context if portable else draft.context).write(Path(folder))
    return Path(folder)


def package(model: str | Path, **options: Any) -> Packaged:
    """Build, run, ask, tag, and push if ``push=True``."""
    from modelbuild.config import make_options
    from modelbuild.host import this_host
    from modelbuild.packaging import package as package_model
    from modelbuild.progress import Silence

    return package_model(Path(model), make_options(options), this_host(os.environ), Silence())


def verify(image: str, **options: Any) -> Verification:
    """Run an image and replay its examples."""
    from modelbuild.config import make_options
    from modelbuild.host import this_host
    from modelbuild.packaging import verify_image
    from modelbuild.progress import Silence

    return verify_image(image, make_options(options), this_host(os.environ), Silence())


def push(reference: str, **options: Any) -> Pushed:
    """Push an image to its registry."""
    from modelbuild.config import make_options
    from modelbuild.host import this_host
    from modelbuild.packaging import push_image
    from modelbuild.progress import Silence

    return push_image(reference, make_options(options), this_host(os.environ), Silence())


def _draft(model: str | Path, options: dict[str, Any]) -> Draft:
    from modelbuild.config import make_options
    from modelbuild.draft import make_draft
    from modelbuild.host import this_host
    from modelbuild.packaging import engine_or_none
    from modelbuild.progress import Silence

    settled, host = make_options(options), this_host(os.environ)
    return make_draft(Path(model), settled, host, Silence(), engine_or_none(settled, host))
