"""What of Gradio's server our pages need: so much is open, and it fetches nothing. Knows its addresses; no page.

Beside what a page uses, the library serves an editor, recordings, records of runs and a loader of files from anywhere:
whoever names an address there, also a page of another site by a picture's, would have this machine ask for it.
"""

from __future__ import annotations

import re
from typing import Any

from workbench.chat.gate import ASGI, Receive, Scope, Send

_FILES = r"(?:assets|static|svelte|pwa_icon)(?:/.*)?"
_OWN = r"config|login|theme\.css|favicon\.ico|manifest\.json|robots\.txt"
_CALLS = (
    r"info|openapi\.json|startup-events|app_id|login_check|user|token|theme\.css|heartbeat/[^/]+|queue/(?:join|data)"
    r"|(?:run|api|call)/.+|upload|upload_progress|file=(?!\s*[a-z][a-z0-9+.-]+:/).+|cancel|reset"
)
NEEDED = re.compile(rf"/(?:{_FILES}|{_OWN}|gradio_api/(?:{_CALLS}))?/?", re.IGNORECASE | re.DOTALL)


class Narrow:
    """Answer only at the addresses that a page uses.

    Args:
        app: an ASGI application.
    """

    def __init__(self, app: ASGI) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 404, or let ``app`` answer."""
        if scope["type"] == "http" and not NEEDED.fullmatch(scope["path"]):
            headers = [(b"content-type", b"application/json"), (b"content-length", b"22")]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"detail":"Not Found"}'})
            return
        await self.app(scope, receive, send)


def fetch_nothing() -> None:
    """Let Gradio fetch nothing that a visitor names. All that it fetches goes by this library of its makers."""
    import safehttpx

    safehttpx.get = safehttpx.async_validate_url = _refuse


async def _refuse(*_: Any, **__: Any) -> Any:
    raise ValueError("nothing is fetched here")
