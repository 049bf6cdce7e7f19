"""The book: what its pages are made from, and, built, that every page works in a browser in both languages."""

import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import browser
import pytest

from her_course.exercises.registry import exercises
from her_course.notebooks import LANGUAGES, read
from her_course.site import sources

REPOSITORY = Path(__file__).parents[1]
BOOK = REPOSITORY / "her_course" / "site"
AT_REST = "Promise.all([window.MathJax?.startup?.promise, document.fonts.ready]).then(() => null)"
PICTURES = """Promise.all([...document.images].map(image => {
    image.loading = "eager";
    return image.decode().then(() => true, () => false);
})).then(shown => shown.length > 0 && shown.every(Boolean))"""
LARGEST = 3_000_000  # bytes of a first visit
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "preload": False}
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"], "preload": False}


# ----------------------------------------------------------------------------------------------- what pages are made of


def as_it_is(text):
    return text


def notebooks_of(lang):
    return {path: page for path, page in sources.find_pages(REPOSITORY, lang).items() if path.suffix == ".ipynb"}


def test_both_languages_have_the_same_pages_and_anchors():
    anchors = {}
    for lang in LANGUAGES:
        for path, page in notebooks_of(lang).items():
            text = "\n".join(cell.source for cell in sources.ready(read(path), lang, as_it_is).cells)
            anchors.setdefault(page, {})[lang] = re.findall('id="(cell-[0-9]+)"', text)
    assert len(anchors) >= 12
    for page, of in anchors.items():
        assert of["zh"] == of["en"], page


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_picture_of_a_chapter_has_its_text_alternative(lang):
    pictures = 0
    for path in notebooks_of(lang):
        for cell in sources.ready(read(path), lang, as_it_is).cells:
            shown = [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
            assert len(shown) <= 1  # MyST-NB has one text for a cell
            pictures += len(shown)
            assert all(cell.metadata.mystnb.image["alt"].strip() for _ in shown)
    assert pictures > 20


@pytest.mark.parametrize("lang", LANGUAGES)
def test_exercises_have_their_hints_folded_and_no_answers(lang):
    hinted = set()
    for path, page in notebooks_of(lang).items():
        text = "\n".join(cell.source for cell in sources.ready(read(path), lang, as_it_is).cells)
        assert "BEGIN SOLUTION" not in text
        for name, exercise in exercises().items():
            if f"def {name}(" in text and page.startswith("exercises/"):
                hinted.add(name)
                assert all(hint.of(lang) in text for hint in exercise.hints), name
        assert text.count("<details>") == text.count("</details>")
    assert hinted == set(exercises())


def test_links_to_files_become_links_to_pages(tmp_path):
    chapter, glossary = tmp_path / "chapters" / "zh" / "01_a.ipynb", tmp_path / "chapters" / "glossary.md"
    pages = {chapter: "chapters/01_a.ipynb", glossary: "glossary.md"}
    chapter.parent.mkdir(parents=True)
    turned = partial(sources.linked, source=chapter, pages=pages)
    assert turned("看[术语表](../glossary.md#x)") == "看[术语表](../glossary.md#x)"
    assert turned("[`replay`](../../her/replay.py)") == "[`replay`](../api/her.replay.rst)"
    assert turned("[results](../../results/fetch/)") == "[results](../results/index.md)"
    assert turned("[a file](../../Makefile)") == "a file"
    assert turned("# a\n\n[English](01_a.md)。正文") == "# a\n\n正文"
    for same in ("[paper](https://arxiv.org/abs/1707.01495)", "`[x](y.md)`", "```\n[x](y.md)\n```", "[up](#top)"):
        assert turned(same) == same


def test_headings_get_the_same_anchors_whatever_they_say():
    assert (
        sources.anchored("# a\n\n```\n# b\n```\n\n## c")
        == '# a\n\n```\n# b\n```\n\n<span id="section-2"></span>\n\n## c'
    )


@pytest.mark.parametrize(("files", "found"), [
    (["a.md", "a.zh.md"], "a.zh.md"),
    (["a.md", "zh/a.md"], "zh/a.md"),
    (["a.md"], "a.md"),
])  # fmt: skip
def test_a_text_is_found_in_its_language_or_serves_both(tmp_path, files, found):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sources.in_language(tmp_path / "a.md", "zh") == tmp_path / found
    with pytest.raises(FileNotFoundError, match=r"no b\.md"):
        sources.in_language(tmp_path / "b.md", "zh")


def test_films_are_told_from_figures():
    assert sources.is_film(next(REPOSITORY.glob("results/*/films/*.png")).read_bytes())
    assert not sources.is_film((REPOSITORY / "results" / "first_look" / "figure.png").read_bytes())


def snippets(lang):
    page = BOOK / "pages" / lang / "own_project.md"
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_code_for_ones_own_project_is_the_same_in_both_languages_and_runs():
    plain = {lang: [re.sub(r"\s*#.*", "", code) for code in snippets(lang)] for lang in LANGUAGES}
    assert plain["zh"] == plain["en"]
    names = run(snippets("en")[0])
    assert abs(names["batch"].relabelled.mean() - 0.8) < 0.01
    assert len(names["buffer"]) >= 500


@pytest.mark.slow
def test_the_code_for_stable_baselines3_runs():
    model = run(snippets("en")[1])["model"]
    assert len(model.replay_buffer.hindsight) == 200


def run(code):
    names = {}
    exec(compile(code, "own_project.md", "exec"), names)
    return names


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    pytest.importorskip("sphinx", reason="needs the extra `site`")
    from her_course.site.build import build

    (tmp_path / "thesis.tex").write_text("...", encoding="utf-8")
    with pytest.raises(FileExistsError, match="not empty"):
        build(REPOSITORY, tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the built book, some way below the root of what is served."""
    pytest.importorskip("sphinx", reason="needs the extra `site`")
    from her_course.site.build import build

    folder = tmp_path_factory.mktemp("book")
    assert build(REPOSITORY, folder / "some" / "where") == []
    return folder / "some" / "where"


def pages_of(book):
    return sorted(path.relative_to(book).as_posix() for path in book.rglob("*.html"))


@pytest.fixture(scope="module")
def parsed(book):
    from bs4 import BeautifulSoup

    return {page: BeautifulSoup((book / page).read_text(encoding="utf-8"), "html.parser") for page in pages_of(book)}


@pytest.mark.slow
def test_every_link_and_every_anchor_is_there(book, parsed):
    ids = {page: {tag["id"] for tag in soup.find_all(id=True)} for page, soup in parsed.items()}
    missing, checked = [], 0
    for page, soup in parsed.items():
        for tag in soup.find_all(["a", "link", "img", "script"]):
            target = urlsplit(tag.get("href") or tag.get("src") or "")
            if target.scheme == "data":  # it is in the page itself
                continue
            if target.scheme or target.netloc:
                assert tag.name == "a", f"{page} asks another host for {target.geturl()}"
                continue
            path = ((book / page).parent / unquote(target.path)).resolve() if target.path else (book / page).resolve()
            name = path.relative_to(book.resolve()).as_posix() if path.is_relative_to(book.resolve()) else None
            checked += 1
            if name is None or not path.is_file():
                missing.append(f"{page}: {target.geturl()}")
            elif target.fragment and name in ids and unquote(target.fragment) not in ids[name]:
                missing.append(f"{page}: {target.geturl()}, no such anchor")
    assert checked > 1000
    assert missing == [], missing


@pytest.mark.slow
def test_pages_of_both_languages_correspond(parsed):
    of = {lang: {page.removeprefix(f"{lang}/") for page in parsed if page.startswith(f"{lang}/")} for lang in LANGUAGES}
    assert of["zh"] == of["en"]
    for page in of["zh"]:
        anchors = [
            [tag["id"] for tag in parsed[f"{lang}/{page}"].find_all(id=re.compile(r"^(cell|section)-\d+$"))]
            for lang in LANGUAGES
        ]
        assert anchors[0] == anchors[1], page


@pytest.mark.slow
def test_markdown_and_formulas_were_understood(parsed):
    for page, soup in parsed.items():
        if "/_modules/" in page or "/api/" in page:  # Python's ** is no Markdown
            continue
        for code in soup.select("pre, code, script, .math"):
            code.extract()
        text = soup.get_text()
        assert not re.search(r"\*\*|\]\(|\$\$", text), page


@pytest.fixture(scope="module")
def address(book):
    handler = partial(Quiet, directory=book.parents[1])
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/some/where"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser.CHROMIUM, args=browser.CHROMIUM_OPTIONS)
        yield started
        started.close()


class Visit:
    """A first visit to a page: its size, and as faults what the console says and requests that fail or go elsewhere."""

    def __init__(self, chromium, url, **options):
        self.faults, self.answers = [], []
        self.context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(120_000)
        self.tab.on("console", lambda said: said.type in ("error", "warning") and self.faults.append(said.text))
        self.tab.on("pageerror", lambda error: self.faults.append(str(error)))
        self.tab.on("requestfailed", lambda request: self.faults.append(f"failed: {request.url}"))
        self.tab.on("response", self.note)
        self.tab.goto(url)
        self.tab.evaluate(AT_REST)
        home = url.split("/some/where")[0]
        self.bytes = sum(len(answer.body()) for answer in self.answers)
        self.faults += [f"outside: {answer.url}" for answer in self.answers if not answer.url.startswith(home)]

    def note(self, answer):
        if not answer.url.startswith("data:"):
            self.answers.append(answer)
        if answer.status >= 400:
            self.faults.append(f"{answer.status}: {answer.url}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def violations(tab, options=WCAG):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab, options=options).response["violations"]
    return [f"{rule['id']}: {node['target']} {node['html'][:160]}" for rule in found for node in rule["nodes"]]


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_loads_alone_is_small_enough_and_accessible(book, address, chromium, lang):
    wrong = {}
    for page in pages_of(book):
        if not page.startswith(f"{lang}/"):
            continue
        with Visit(chromium, f"{address}/{page}") as visit:
            faults = visit.faults + ([f"{visit.bytes:,} bytes"] if visit.bytes > LARGEST else [])
            visit.tab.add_style_tag(content="* { transition: none !important; }")  # colours on their way are not judged
            for scheme, rules in (("light", WCAG), ("dark", CONTRAST)):  # what else axe looks for has no colour
                visit.tab.evaluate("scheme => { document.documentElement.dataset.theme = scheme; }", scheme)
                faults += [f"{scheme}, {violation}" for violation in violations(visit.tab, rules)]
            visit.tab.set_viewport_size({"width": 390, "height": 844})
            width = visit.tab.evaluate("document.documentElement.scrollWidth")
            faults += [f"{width} pixels wide on a phone"] if width > 390 else []
        if faults:
            wrong[page] = faults
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(("lang", "other"), [("zh", "en"), ("en", "zh")])
def test_the_switch_of_language_keeps_the_section(book, address, chromium, lang, other):
    for path in sorted((book / lang / "chapters").glob("0*.html")):
        with Visit(chromium, f"{address}/{lang}/chapters/{path.name}") as visit:
            marks = visit.tab.evaluate("[...document.querySelectorAll('[id^=cell-]')].map(mark => mark.id)")
            here = marks[len(marks) // 2]
            visit.tab.goto(f"{address}/{lang}/chapters/{path.name}#{here}")
            visit.tab.wait_for_timeout(300)
            visit.tab.locator("header a.book-language").click()
            visit.tab.wait_for_url(f"{address}/{other}/**")
            visit.tab.evaluate(AT_REST)
            visit.tab.wait_for_timeout(300)
            assert visit.tab.url == f"{address}/{other}/chapters/{path.name}#{here}"
            top = visit.tab.evaluate("id => document.getElementById(id).getBoundingClientRect().top", here)
            assert 0 <= top <= 450


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(("lang", "words", "page"), [
    ("zh", "稀疏奖励", "chapters/01_"),
    ("zh", "替代目标", "glossary"),
    ("zh", "回放缓冲区", "chapters/04_"),
    ("en", "sparse reward", "chapters/01_"),
    ("en", "substitute goal", "glossary"),
    ("en", "HindsightExperienceReplay", "api/"),
])  # fmt: skip
def test_search_finds_phrases(book, address, chromium, lang, words, page):
    with Visit(chromium, f"{address}/{lang}/search.html?q={words}") as visit:
        visit.tab.wait_for_selector(".pagefind-ui__result-link")
        assert visit.faults == []
        found = visit.tab.evaluate("[...document.querySelectorAll('.pagefind-ui__result-link')].map(a => a.href)")
        assert any(f"/{lang}/{page}" in link for link in found), found


@pytest.mark.slow
@pytest.mark.browser
def test_the_book_can_be_read_from_a_folder_without_a_server(book, chromium):
    page = next((book / "zh" / "chapters").glob("02_*.html"))
    with Visit(chromium, page.as_uri()) as visit:
        assert [fault for fault in visit.faults if not fault.startswith("outside: file:")] == []
        visit.tab.wait_for_selector("mjx-container")
        assert visit.tab.evaluate(PICTURES)
        visit.tab.goto((book / "zh" / "search.html").as_uri())
        assert visit.tab.locator("#search-needs-server").is_visible()


@pytest.mark.slow
@pytest.mark.browser
def test_films_stop_at_a_button_and_stand_still_for_readers_who_want_less_motion(address, chromium):
    with Visit(chromium, f"{address}/en/results/index.html") as visit:
        visit.tab.locator("img.film").first.scroll_into_view_if_needed()
        button = visit.tab.locator(".book-film").first
        assert button.text_content() == "Pause"
        button.press("Enter")
        assert button.text_content() == "Play"
        assert visit.tab.locator("canvas").first.is_visible()
    with Visit(chromium, f"{address}/en/results/index.html", reduced_motion="reduce") as visit:
        visit.tab.locator("img.film").first.scroll_into_view_if_needed()
        assert visit.tab.locator(".book-film").first.text_content() == "Play"
