"""The page's files, read once, and the headers that go with everything."""

from __future__ import annotations

from importlib.resources import files

_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def static_files() -> dict[str, tuple[bytes, str]]:
    """Body and media type of each file by its path on the server.

    Nothing else is ever looked up, so that no path leads outside.
    """
    found: dict[str, tuple[bytes, str]] = {}
    for file in (files("siam_tracker_core.console") / "static").iterdir():
        kind = next((kind for suffix, kind in _KINDS.items() if file.name.endswith(suffix)), "")
        if kind:
            found["/" if file.name == "index.html" else f"/{file.name}"] = (file.read_bytes(), kind)
    return found


LOGIN = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Operator console</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/login.css">
<main>
<h1>Operator console</h1>
<p>This console asks for a token. It is in the link that the server printed when it started.</p>
<p role="alert">{complaint}</p>
<form method="post" action="/login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Open the console</button>
</form>
</main>
</html>
"""
