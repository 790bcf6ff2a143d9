"""A port of this machine on which to serve, or one line that says why not."""

import os
import socket
import sys


def free_port() -> int:
    """Return the port that PORT names, or 8000; end the program if it is taken."""
    named = os.environ.get("PORT") or "8000"
    if not named.isdigit() or not 0 < int(named) < 65536:
        sys.exit(f"PORT must be a number from 1 to 65535, got {named}")
    with socket.socket() as probe:
        # As servers do: a port that was used a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(named)))
        except OSError as error:
            reason = error.strerror or error
            sys.exit(f"Port {named}: {reason}. Choose another one: PORT=8080")
    return int(named)
