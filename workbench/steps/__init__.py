"""The five steps as plain objects: settings that can be undone, commands, notices of change. No interface code: the
same objects drive notebooks, apps and tests."""

from __future__ import annotations

from workbench.steps.chat import ChatSettings, ChatStep, Model, Probed, models_of
from workbench.steps.data import DataSettings, DataStep, Made
from workbench.steps.export import ExportSettings, ExportStep
from workbench.steps.forms import Field, field, fields
from workbench.steps.history import History
from workbench.steps.project import Project
from workbench.steps.step import Step, as_workbench_error
from workbench.steps.template import TemplateSettings, TemplateStep
from workbench.steps.train import TrainSettings, TrainStep

__all__ = [
    "ChatSettings",
    "ChatStep",
    "DataSettings",
    "DataStep",
    "ExportSettings",
    "ExportStep",
    "Field",
    "History",
    "Made",
    "Model",
    "Probed",
    "Project",
    "Step",
    "TemplateSettings",
    "TemplateStep",
    "TrainSettings",
    "TrainStep",
    "as_workbench_error",
    "field",
    "fields",
    "models_of",
]
