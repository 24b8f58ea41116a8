"""``mbuild``, and ``python -m modelbuild``, which is the same."""

import sys


def main() -> None:
    """Ctrl-C is no traceback, also in the half second in which modules are imported."""
    try:
        from modelbuild.cli import main as command  # noqa: PLC0415  # it is what takes the time
    except KeyboardInterrupt:
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
