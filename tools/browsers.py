#!/usr/bin/env python3
"""Find the browsers that tests, the audit and the printer drive.

As a program, prints the path of the one that is named; with --install gets one with
apt-get if there is none. Without Chromium it fails; without Firefox it says so, and
the tests that would drive it are left out.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class Browser:
    """A browser: how it is called, and where it comes from.

    Attributes
    ----------
    title : str
        Its name, as people say it.
    packages : tuple of str
        The distribution's packages of it, the best first: not each has all.
    variable : str
        The environment variable that names another program.
    programs : tuple of str
        Names and paths under which it may be there.
    needed : bool
        Whether nothing goes without it.
    """

    title: str
    packages: tuple[str, ...]
    variable: str
    programs: tuple[str, ...]
    needed: bool

    def find(self) -> str:
        """Return the path of the browser.

        Raises
        ------
        FileNotFoundError
            If the one that the environment names is not there, or if none is.
        """
        named = os.environ.get(self.variable)
        for name in [named] if named else self.programs:
            path = shutil.which(name)
            if path:
                return path
        if named:
            raise FileNotFoundError(
                f"{self.variable}={named}: there is no such program"
            )
        raise FileNotFoundError(
            f"No {self.title} found. Install one (apt-get install "
            f"{', or '.join(self.packages)}), or name it: {self.variable}=/path"
        )

    def install(self) -> None:
        """Install the distribution's; it asks for root's rights where it has to.

        Raises
        ------
        OSError, subprocess.SubprocessError
            If that fails: within minutes, if the browser is not needed.
        """
        print(f"No {self.title} found: getting one with apt-get", file=sys.stderr)
        apt, seconds = ["apt-get"], None
        if os.geteuid() != 0:
            apt = ["sudo", *apt] if self.needed else ["sudo", "-n", *apt]
        if not self.needed:
            seconds = 180
            apt += ["-oAcquire::Retries=0", "-oAcquire::http::Timeout=10"]
            apt += ["-oDPkg::Lock::Timeout=60"]
        run = partial(
            subprocess.run,
            check=True,
            stdin=None if self.needed else subprocess.DEVNULL,
            stdout=sys.stderr,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            timeout=seconds,
        )
        run([*apt, "update", "-qq"])
        for package in self.packages:
            try:
                run([*apt, "install", "-yqq", "--no-install-recommends", package])
                return
            except subprocess.CalledProcessError:
                if package == self.packages[-1]:
                    raise


CHROMIUM = Browser(
    title="Chromium or Chrome",
    # The first has no windows, and opens a page in half the time.
    packages=("chromium-headless-shell", "chromium", "chromium-browser"),
    variable="DESCENT_CHROMIUM",
    programs=(
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ),
    needed=True,
)
FIREFOX = Browser(
    title="Firefox",
    packages=("firefox-esr",),
    variable="DESCENT_FIREFOX",
    programs=(
        "firefox-esr",
        "firefox",
        "/Applications/Firefox.app/Contents/MacOS/firefox",
    ),
    needed=False,
)

# Of a browser's own accord nothing may be asked of any host.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def chromium_options() -> list[str]:
    """Return the options with which a Chromium is started here."""
    # Its sandbox does not start for root, as programs in containers are.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*_QUIET, *(["--no-sandbox"] if is_root else [])]


def main() -> None:
    """Print where the browser is that the first argument names."""
    browser = {"chromium": CHROMIUM, "firefox": FIREFOX}[sys.argv[1]]
    try:
        try:
            print(browser.find())
        except FileNotFoundError:
            named = os.environ.get(browser.variable)
            if "--install" not in sys.argv or named or not shutil.which("apt-get"):
                raise
            browser.install()
            print(browser.find())
    except (OSError, subprocess.SubprocessError) as error:
        if browser.needed:
            sys.exit(str(error))
        print(f"Tests in {browser.title} are left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
