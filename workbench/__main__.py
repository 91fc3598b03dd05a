"""The command: ``workbench``, and ``python -m workbench`` for launchers that start modules (torchrun, deepspeed). Knows
nothing else."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the arguments name; Ctrl-C ends it quietly also while it is still being loaded."""
    try:
        from workbench.cli import main as command
    except KeyboardInterrupt:
        from workbench.texts import text

        print(f"workbench: {text('cli.stopped')}", file=sys.stderr)
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
