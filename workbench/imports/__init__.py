"""What people bring from XTuner: configs, checkpoints, adapters, folders. Knows their formats; trains nothing."""

from __future__ import annotations

from workbench.imports.bringing import Brought, bring

__all__ = ["Brought", "bring"]
