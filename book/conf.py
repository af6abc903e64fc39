"""The book: sphinx-build -W book build/book/en, or both languages by python scripts/book.py."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # the chapters' code

LANGUAGE = os.environ.setdefault("HANDGRAD_LANGUAGE", "en")

project = "Handgrad"
author = "The authors of Handgrad"
extensions = ["myst_nb", "sphinx.ext.mathjax", "book.extension"]
exclude_patterns = ["code", "extension", "locale", "**/.ipynb_checkpoints", "**/README.md"]
language = {"en": "en", "zh": "zh_CN"}[LANGUAGE]
locale_dirs = ["locale"]
gettext_compact = False
templates_path = ["_templates"]
suppress_warnings = ["toc.empty_glob"]
nitpicky = False

# claims: the folder with the JSON of scripts/claims.py
claims_results = os.environ.get("HANDGRAD_CLAIMS", "")

# chapters
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "attrs_inline", "attrs_block"]
myst_heading_anchors = 3
nb_execution_mode = "off" if os.environ.get("HANDGRAD_QUICK") == "1" else "cache"
nb_execution_cache_path = str(ROOT / "build" / "book" / f"notebooks-{LANGUAGE}")  # pictures have words in them
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

# mathematics, drawn by a local script
mathjax_path = "tex-svg.js"
mathjax3_config = {
    "options": {"enableMenu": False, "processHtmlClass": "tex2jax_process|mathjax_process|math|output_area"},
    "svg": {"fontCache": "global"},
}
myst_update_mathjax = False

# pages
html_theme = "furo"
html_title = {"en": "Handgrad, the book", "zh": "Handgrad：神经网络手算"}[LANGUAGE]
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {
    "top_of_page_buttons": [],
    "light_css_variables": {"color-brand-primary": "#0b5c8f", "color-brand-content": "#0b5c8f"},
}
