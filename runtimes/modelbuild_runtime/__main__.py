"""``python -m modelbuild_runtime [serve | check | info]``.

The thread variables of numerical libraries are set first, before anything imports one of them. Signals are heard before
that: importing takes a while.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import List, Tuple

from modelbuild_runtime.errors import LoadError, SettingError
from modelbuild_runtime.process.host.cpus import available, thread_environment
from modelbuild_runtime.process.leaving import STOP, watch
from modelbuild_runtime.settings import Settings, ignored_variables, read_settings, unknown_variables
from modelbuild_runtime.torchserve.config_properties import configured

USAGE = """usage: python -m modelbuild_runtime [serve | check | info]

serve  answer predictions over HTTP (the default)
check  load the model, make its examples' predictions, compare, and exit 0 or 1
info   print the manifest and the contract as JSON"""


def main(arguments: List[str]) -> int:
    """Run one subcommand; returns the exit status: 1 the model cannot be served, 2 wrong usage."""
    command = arguments[0] if arguments else "serve"
    if command in {"-h", "--help"}:
        print(USAGE)  # noqa: T201
        return 0
    if command == "train":  # SageMaker asks so for a training job
        print("error: this image serves a model, and trains none", file=sys.stderr)  # noqa: T201
        return 2
    if len(arguments) > 1 or command not in {"serve", "check", "info"}:
        print(USAGE, file=sys.stderr)  # noqa: T201
        return 2
    if command == "serve":
        watch()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)  # this program may have taken the place of another
    try:
        told = configured(os.environ)
        for name, value in told.variables.items():
            os.environ[name] = os.environ.get(name) or value
        settings = read_settings(os.environ)
        threads = settings.threads or max(1, available() // settings.workers)
        for name, value in thread_environment(threads).items():
            os.environ.setdefault(name, value)
        return _run(command, settings, threads, (told.warning,) if told.warning else ())
    except (LoadError, SettingError) as error:
        print(f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, SettingError) else 1


def _run(command: str, settings: Settings, threads: int, warnings: Tuple[str, ...]) -> int:
    from modelbuild_runtime import log

    log.configure(settings.log_level, settings.log_format)
    for warning in (*warnings, *unknown_variables(os.environ), *ignored_variables(os.environ)):
        log.logger.warning(warning)
    if command == "serve":
        if not settings.tls_certificate:
            from modelbuild_runtime.process.without_tls import postpone

            postpone()
        gc.disable()  # while code is imported, nothing becomes garbage; ``serve`` turns it on
        from modelbuild_runtime.process.serving import serve

        return serve(settings, threads)
    from modelbuild_runtime.process import check

    return check.check(settings, threads) if command == "check" else check.info(settings, threads)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
