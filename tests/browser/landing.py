"""Where a link to a figure to touch leads: it grows while it comes to life."""

from selectolax.lexbor import LexborHTMLParser

from book import SITE, table_of_contents


def figures_to_touch() -> list[str]:
    """Return the addresses of all figures to touch, within the site."""
    addresses = []
    for name in table_of_contents():
        path = SITE / f"{name}.html"
        text = path.read_text("utf8") if path.exists() else ""
        for figure in LexborHTMLParser(text).css("figure[id]:has(.explorable)"):
            addresses.append(f"{name}.html#{figure.id}")
    # Without a site there is one address, on which all tests fail.
    return addresses or ["index.html#none"]


# Alive, and drawn as such.
ARRIVED = """!!document.querySelector(":target .ex-live") && new Promise(resolve =>
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))"""
TOP = "document.querySelector(':target').getBoundingClientRect().top"

# Below the bar at the top of the window, and not far below.
PLACES = range(120)
