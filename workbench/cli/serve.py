"""``workbench serve``. Knows the command line; what is served, and how, is the serve room's."""

from __future__ import annotations

from typing import Any

import click

from workbench.cli.chat import load, loading_options
from workbench.texts import text


@click.command(help=text("serve.help"))
@click.argument("model")
@loading_options
@click.option("--host", default="127.0.0.1", show_default=True, help=text("serve.host"))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help=text("serve.port"))
@click.option("--name", default="", help=text("serve.name"))
def serve(model: str, host: str, port: int, name: str, **how: Any) -> None:
    """Serve a model until Ctrl-C."""
    from workbench.data.limits import serve_others
    from workbench.serve import Server
    from workbench.serve.server import label

    serve_others()  # the pictures of whoever asks are decoded within the limits for strangers
    assistant = load(model, **how)
    with Server(assistant, name or label(model), host=host, port=port) as server:
        click.echo(text("serve.serving", name=server.name, url=server.url))
        if server.key:
            click.echo(text("serve.with_key"))
        server.serve_forever()
