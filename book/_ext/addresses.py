"""Where the repository and the site are, also a fork's.

`_config.yml` says where the book lives. When a fork's own workflow builds it, its
links lead to the fork's repository, and its canonical addresses, previews, site map
and page for wrong addresses name the fork's site on GitHub Pages.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config

import order


def site_of(repository: str) -> str:
    """Return the address at which GitHub Pages publishes a repository.

    Parameters
    ----------
    repository : str
        Its URL, ``https://github.com/OWNER/NAME``.
    """
    owner, name = urlsplit(repository).path.strip("/").split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def _follow_fork(app: Sphinx, config: Config) -> None:
    """In a fork's own workflow, let all addresses be the fork's."""
    slug = os.environ.get("GITHUB_REPOSITORY")
    server = os.environ.get("GITHUB_SERVER_URL")
    options = config["html_theme_options"]
    if slug and server and f"{server}/{slug}" != options["repository_url"].rstrip("/"):
        options["repository_url"] = f"{server}/{slug}"
        config["html_baseurl"] = site_of(options["repository_url"])
    # Templates name the site, too.
    config["html_context"]["site_url"] = config["html_baseurl"].rstrip("/") + "/"


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("config-inited", _follow_fork, priority=order.ADDRESSES)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
