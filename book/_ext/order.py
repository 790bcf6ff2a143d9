"""The order of the build's steps, and what each hands to the next.

Sphinx calls what is connected to an event in the order of a number, low numbers
first, 500 unless said otherwise. The numbers of this book's extensions stand here
and nowhere else. (The tables have every step with a number, and of those at 500 the
ones that hand something on.) Steps hand each other nodes of the doctree, settings, and
files with agreed names. Before pages are written none looks for what another has
written into HTML; what works on finished pages (`leftovers`, `repairs`, `search`,
`assets`, `site_check`) knows other steps' marks at most: a class, an attribute.

``config-inited``: the settings have been read.

===================  =============  ================================================
LOCK                 `build_lock`   the first: waits until no other build is running
ADDRESSES            `addresses`    hands on ``repository_url``, ``html_baseurl`` and,
                                    to templates, ``site_url``
(500)                `code_colors`  takes the styles of code from the settings
===================  =============  ================================================

``builder-inited`` and before pages are read: what has to be read anew.

===================  =============  ================================================
(500)                `execution`    opens the kept runs; says which pages show one that
                                    does not stand any more; begins to run those
(500)                `contents`     stops at a chapter that is not in ``_toc.yml``
===================  =============  ================================================

``doctree-read``: a chapter has run, or its outputs came from the cache.

===================  =============  ================================================
SOURCE_ONLY          `sources`      takes out what only readers of the source need
MINUS                `glued_numbers` gives glued numbers the minus sign of prose
PICTURE_CHECK        `picture_check` refuses pictures without words, caption, partner
EXPLORABLE_DATA      `explorables`  puts a node ``explorable_data`` after the image of
                                    a figure to touch, whose file then is a still
READING_TIME         `reading_time` says below a chapter's title how long it takes
PICTURES             `pictures`     turns images of cells into nodes ``paired_figure``
                                    and ``animation``, with images inside; warns of
                                    words in them that cannot be read
(500)                Sphinx         collects the images of all nodes to copy them
===================  =============  ================================================

``doctree-resolved``: references are links; what follows is for one page's HTML.

===================  =============  ================================================
EXERCISE_IDS         `repairs`      takes away an id that all exercises of a page share
WIDE_TABLES          `repairs`      names tables of many columns for the style sheet
MEANINGS             `meanings`     puts what terms and citations mean at a page's end
SOUNDS               `sounds`       what cells leave of sounds, and takes of other
                                    chapters, become nodes ``takes_player``
ANSWERS              `answers`      puts nodes ``answer_form`` and ``exercise_places``
                                    below cells of exercises; such a cell has the
                                    exercise's label as its attribute ``exercise``,
                                    which becomes its id in the notebook
LIVE_BUTTON          `live`         a button below the title of a chapter with cells
PDF_PLACE            `pdf`          ends the landing page with a link or its place
BOUND_FORMULAS       `mathematics`  binds formulas to the punctuation beside them
===================  =============  ================================================

``html-page-context``: a page's template is about to be filled.

===================  =============  ================================================
(501)                the theme      hands on the list of buttons
NOTEBOOKS            `notebooks`    adds to the list; writes the chapter's notebook
ASSETS               `assets`       leaves out all styles, and all scripts but one
FILES_OF_SOME_PAGES  `explorables`, add theirs to pages with nodes of their kind
                     `pictures`,
                     `answers`,
                     `sounds`
FORMULAS             `mathematics`  hands on ``has_formulas``
===================  =============  ================================================

``html-collect-pages``: all pages of the book are written.

===================  =============  ================================================
(500)                `search`       adds the search page
(500)                `site_map`     adds the page 404
===================  =============  ================================================

``build-finished``: all is written.

===================  =============  ================================================
LEFTOVERS            `leftovers`    takes away what the book has no more
EXPLORABLE_BUNDLE    `explorables`  writes the script that brings figures to life
LIVE_PROGRAM         `live`         copies Thebe, which runs code in a page
CARD                 `card`         draws the preview card
SITE_MAP             `site_map`     lists the pages
REPAIRS              `repairs`      puts right what the theme's templates write
SEARCH_INDEX         `search`       writes the sections of all pages into one file
UNUSED               `assets`       writes one style with the rules that pages can use;
                                    takes away what no page asks for
TIMES                `execution`    says how long each chapter ran
BRANCHES             `notebooks`    leaves what publishing pushes to two branches
SITE_CHECK           `site_check`   the last look: what it has seen stays as it was
UNLOCK               `build_lock`   lets another build begin
===================  =============  ================================================
"""

LOCK = 0
ADDRESSES = 400

SOURCE_ONLY = 300
MINUS = 310
PICTURE_CHECK = 380
EXPLORABLE_DATA = 390
READING_TIME = 395
PICTURES = 400

EXERCISE_IDS = 490
WIDE_TABLES = 495
MEANINGS = 500
SOUNDS = 510
ANSWERS = 515
LIVE_BUTTON = 517
PDF_PLACE = 520
BOUND_FORMULAS = 530

NOTEBOOKS = 502
ASSETS = 890
FILES_OF_SOME_PAGES = 900
FORMULAS = 910

LEFTOVERS = 400
EXPLORABLE_BUNDLE = 560
LIVE_PROGRAM = 565
CARD = 570
SITE_MAP = 580
REPAIRS = 590
SEARCH_INDEX = 595
UNUSED = 600
TIMES = 900
BRANCHES = 910
SITE_CHECK = 950
UNLOCK = 1000
