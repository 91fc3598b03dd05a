"""The tools that are offered: one file each, holding a function of the file's name with type hints and a docstring.

Nothing here opens a file that a model names, starts a process, or reaches for the network.
"""
