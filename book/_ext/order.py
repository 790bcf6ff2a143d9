"""The order of the build's steps, and what each hands to the next.

Sphinx calls what is connected to an event in the order of a number, low numbers
first, 500 unless said otherwise. The numbers of this book's extensions stand here
and nowhere else. Steps hand each other nodes of the doctree, files with agreed names
and settings; none looks for what another has written in finished HTML, but for the
three at the end, which work on pages as any server or reader gets them.

When Sphinx has read the settings (``config-inited``):

==================== ================= ==============================================
ADDRESSES            `addresses`       settings that name the repository and the site
==================== ================= ==============================================

When a chapter has run and is read (``doctree-read``):

==================== ================= ==============================================
EXPLORABLES          `explorables`     takes the data out of an image's file; hands on
                                       the image, and after it a node for the page
PICTURES             `pictures`        images of cells become nodes that hold images,
                                       which Sphinx copies (at 500)
==================== ================= ==============================================

When a page is written (``html-page-context``):

==================== ================= ==============================================
(501)                the theme         the list of buttons
NOTEBOOKS            `notebooks`       adds buttons to that list; writes the notebooks
ASSETS               `assets`          leaves every style and most scripts out
==================== ================= ==============================================

When all is written (``build-finished``):

==================== ================= ==============================================
REPAIRS              `manners`         pages, put right
UNUSED               `assets`          one script, one style with the rules that pages
                                       can use; takes away what none asks for
TIMES                `execution`       says how long each chapter ran
SITE_CHECK           `site_check`      the last: what it has seen stays as it was
==================== ================= ==============================================
"""

ADDRESSES = 400

EXPLORABLES = 390
PICTURES = 400

NOTEBOOKS = 502
EXPLORABLE_SCRIPTS = 890
ASSETS = 900

REPAIRS = 590
UNUSED = 600
TIMES = 900
SITE_CHECK = 950
