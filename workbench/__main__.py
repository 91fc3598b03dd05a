"""``python -m workbench``: the command, for launchers that start modules (torchrun, deepspeed). Knows nothing else."""

from __future__ import annotations

from workbench.cli import main

if __name__ == "__main__":
    main()
