"""Turn the repository into the book: a folder for any web server and any path, that asks no other host for anything."""

import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.console import nocolor
from sphinx.util.docutils import docutils_namespace, patch_docutils

from her_course.notebooks import LANGUAGES
from her_course.site.sources import write_sources

TITLES = {"zh": "事后经验回放：跑给你看", "en": "Hindsight Experience Replay, running"}
SHORT_TITLES = {"zh": "事后经验回放", "en": "HER, running"}  # beside the navigation, also on a phone
LOCALES = {"zh": "zh_CN", "en": "en"}
#: of MathJax's files, what a page with formulas asks for: the renderer, its fonts, rarer TeX commands
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")
#: what the search index covers: all pages but the library's source
INDEXED = "{zh,en}/{*.html,api/*.html,chapters/*.html,exercises/*.html,results/*.html}"
SEARCHED = ("--root-selector", "article.bd-article", "--exclude-selectors", ".headerlink, .viewcode-link")


def build(repository: Path, out: Path) -> list[str]:
    """Write the book into `out`, in place of an older one that is there; return what Sphinx warned of.

    Raises:
        FileExistsError: `out` holds something that is no book.
        FileNotFoundError: a part of the course is missing.
        RuntimeError: the search index could not be made.
    """
    if out.exists():
        if any(out.iterdir()) and not (out / "zh" / "index.html").exists():
            raise FileExistsError(f"out: {out} is not empty, and no older book either")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work, ProcessPoolExecutor(len(LANGUAGES)) as pool:
        tasks = [pool.submit(build_language, repository, lang, out / lang, Path(work, lang)) for lang in LANGUAGES]
        warnings = [warning for task in tasks for warning in task.result()]
    copy_mathjax(out / "mathjax")
    shutil.copy(resources.files(__package__) / "templates" / "welcome.html", out / "index.html")
    make_index(out)
    return warnings


def make_index(out: Path) -> None:
    """Write pagefind's search index and interface into the book."""
    options = ["--site", str(out), "--glob", INDEXED, *SEARCHED, "--quiet"]
    run = subprocess.run([sys.executable, "-m", "pagefind", *options], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"pagefind made no search index: {run.stderr.strip()}")


def build_language(repository: Path, lang: str, out: Path, work: Path) -> list[str]:
    """The pages in one language, in `out`; returns what Sphinx warned of."""
    nocolor()
    sources, made, said = work / "sources", work / "html", work / "warnings.txt"
    work.mkdir(parents=True, exist_ok=True)
    write_sources(repository, lang, sources)
    with said.open("w+", encoding="utf-8") as warning, patch_docutils(), docutils_namespace():
        sphinx = Sphinx(
            sources, None, made, work / "doctrees", "html", settings(lang), status=None, warning=warning, verbosity=-1
        )
        sphinx.connect("autodoc-process-docstring", keep_bars)
        sphinx.build()
    for page in made.rglob("*.html"):
        html = with_image_sizes(page.read_text(encoding="utf-8"), page.parent)
        if page.parent.name == "api":  # found after the pages that explain the same words
            html = html.replace('<article class="bd-article"', '<article data-pagefind-weight="0.2" class="bd-article"')
        page.write_text(html, encoding="utf-8")
    # pagefind's index takes the place of the first; the last is a template that the theme leaves behind
    not_read = ("searchindex.js", "objects.inv", ".buildinfo*", "*.map", "webpack-macros.html")
    shutil.copytree(made, out, ignore=shutil.ignore_patterns(*not_read))
    return said.read_text(encoding="utf-8").splitlines()


def keep_bars(app, what, name, thing, options, lines: list[str]) -> None:
    """Let |δ| in a docstring be an absolute value, which reStructuredText would take for a substitution."""
    lines[:] = [re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line) for line in lines]


def with_image_sizes(html: str, folder: Path) -> str:
    """`html` whose images tell their size, so that nothing moves when they arrive, and load when they come near."""

    def with_size(found: re.Match) -> str:
        file = folder / unquote(found[1])
        if not file.is_file():
            return found[0]
        with Image.open(file) as image:
            return f'<img loading="lazy" width="{image.width}" height="{image.height}"{found[0].removeprefix("<img")}'

    return re.sub(r'<img [^>]*?src="([^"]+)"[^>]*>', with_size, html)


def settings(lang: str) -> dict[str, Any]:
    """Sphinx's configuration for one language."""
    folder = Path(str(resources.files(__package__)))
    other = LANGUAGES[1 - LANGUAGES.index(lang)]
    return {
        "project": TITLES[lang],
        "language": LOCALES[lang],
        "extensions": ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"],
        "templates_path": [str(folder / "templates")],
        "html_static_path": [str(folder / "static")],
        "html_css_files": ["book.css"],
        "html_js_files": [("book.js", {"defer": "defer"})],
        "html_sidebars": {"**": ["sidebar-nav-bs.html"]},
        "html_theme": "pydata_sphinx_theme",
        "html_title": TITLES[lang],
        "html_copy_source": False,
        "html_show_sourcelink": False,
        "html_show_sphinx": False,
        "html_use_index": False,
        "html_domain_indices": False,
        "html_permalinks_icon": "#",
        "html_context": {"lang": lang, "other_language": other, "default_mode": "auto"},
        "html_theme_options": {
            "logo": {"text": SHORT_TITLES[lang]},
            "navbar_end": ["language-switch.html", "theme-switcher.html"],
            "header_links_before_dropdown": 8,
            "secondary_sidebar_items": ["page-toc"],
            "footer_start": [],
            "footer_end": [],
            "show_toc_level": 2,
        },
        "nb_execution_mode": "off",
        "nb_code_prompt_show": {"zh": "显示单元格", "en": "Show the cell"}[lang],
        "nb_code_prompt_hide": {"zh": "收起单元格", "en": "Hide the cell"}[lang],
        "myst_enable_extensions": ["colon_fence", "dollarmath"],
        "myst_heading_anchors": 4,
        "mathjax_path": "../../mathjax/tex-chtml.js",
        "default_role": "any",
        "suppress_warnings": ["ref.any"],  # names in docstrings that are no names of the library
        "autodoc_inherit_docstrings": False,
        "napoleon_use_ivar": True,
        "autodoc_member_order": "bysource",
        "autodoc_typehints": "signature",
        "add_module_names": False,
        "toc_object_entries_show_parents": "hide",
    }


def copy_mathjax(target: Path) -> None:
    """Copy what MathJax needs in a browser from the package that brings it."""
    package = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    for name in MATHJAX:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (package / name).is_dir() else shutil.copy
        copy(package / name, target / name)
