"""The studio: the five steps on one page, for several people at once: ``workbench studio``."""
