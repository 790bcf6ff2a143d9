#!/usr/bin/env python3
"""Find the browser that tests, the audit and the printer drive.

As a program, prints its path; with --install gets Debian's if there is none.
"""

import os
import shutil
import subprocess
import sys

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
MISSING = (
    "No Chromium or Chrome found. Install one (apt-get install chromium), or name it: "
    "DESCENT_CHROMIUM=/path"
)

# Of a browser's own accord nothing may be asked of any host.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def options() -> list[str]:
    """Return the options with which a Chromium is started here."""
    # Its sandbox does not start for root, as programs in containers are.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*QUIET, *(["--no-sandbox"] if is_root else [])]


def find() -> str:
    """Return the path of a Chromium or Chrome.

    Raises
    ------
    FileNotFoundError
        If the one that DESCENT_CHROMIUM names is not there, or if none is.
    """
    named = os.environ.get("DESCENT_CHROMIUM")
    for name in [named] if named else NAMES:
        path = shutil.which(name)
        if path:
            return path
    if named:
        raise FileNotFoundError(f"DESCENT_CHROMIUM={named}: there is no such program")
    raise FileNotFoundError(MISSING)


def install() -> None:
    """Install Debian's Chromium; it asks for root's rights where it has to."""
    apt = ["apt-get"] if os.geteuid() == 0 else ["sudo", "apt-get"]
    print("No Chromium found: getting Debian's with apt-get", file=sys.stderr)
    options = ["-yqq", "--no-install-recommends"]
    for command in ([*apt, "update", "-qq"], [*apt, "install", *options, "chromium"]):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, check=True, stdout=sys.stderr, env=environment)


def main() -> None:
    """Print where the browser is."""
    try:
        print(find())
    except FileNotFoundError as error:
        can_install = shutil.which("apt-get") and "DESCENT_CHROMIUM" not in os.environ
        if "--install" not in sys.argv or not can_install:
            sys.exit(str(error))
        install()
        print(find())


if __name__ == "__main__":
    main()
