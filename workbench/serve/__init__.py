"""The assistant behind the address that everybody's clients know: chat completions in OpenAI's shape, whole and
streamed, with tools. Knows the protocol and the assistant; no page."""

from __future__ import annotations

from workbench.serve.server import Server, serve

__all__ = ["Server", "serve"]
