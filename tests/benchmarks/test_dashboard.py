"""The dashboard's front page, and how it comes before asv's own."""

import html.parser
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import recorded, registry
from benchmarks.dashboard import browser, site
from benchmarks.dashboard.page import render

ASV_PAGE = """<!doctype html><html><head>
<script src="https://code.jquery.com/jquery-3.3.1.min.js" integrity="sha256-x" crossorigin="anonymous"></script>
<script src="https://example.org/of/a/later/asv.js"></script>
<link rel="stylesheet" href="https://cdn.jsdelivr.net/npm/bootstrap@3.1.1/dist/css/bootstrap.min.css" integrity="x">
</head></html>"""


class Page(html.parser.HTMLParser):
    """Tags that are open, and the text by tag."""

    void = frozenset({"meta", "link", "br", "polyline", "circle"})

    def __init__(self, text):
        super().__init__()
        self.open, self.speedups, self.links, self.loaded = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in self.void:
            self.open.append(tag)
        self.speedups += [float(attrs["data-speedup"])] if "data-speedup" in attrs else []
        self.links += [attrs["href"]] if tag == "a" else []
        self.loaded += [attrs["src"]] if "src" in attrs else []

    def handle_startendtag(self, tag, attrs):
        assert tag in self.void

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def published(results, tmp_path):
    folder = tmp_path / "html"
    folder.mkdir()
    (folder / "index.html").write_text(ASV_PAGE)
    site.put_in_front(folder, results, modules=tmp_path / "none")
    return folder


def test_the_front_page_shows_every_entry_and_links_to_its_graph(published):
    page = Page((published / "index.html").read_text())
    assert page.open == []
    assert page.loaded == []
    assert len(page.speedups) == len(registry.ENTRIES)
    assert all(value > 1 for value in page.speedups)
    name = "kernels.Comparison.track_speedup_over_numpy"
    assert f"graphs.html#{name}?p-kernel=%27sgd_step%27&p-impl=%27fastff%27" in page.links


def test_names_are_escaped(published):
    assert "a &lt;cpu&gt;" in (published / "index.html").read_text()


def test_asvs_page_is_kept(published):
    assert (published / "graphs.html").read_text() == ASV_PAGE


def test_scripts_come_from_beside_the_page_where_they_are_installed(published, tmp_path):
    modules = tmp_path / "node_modules"
    for path in site.VENDOR.values():
        (modules / path).parent.mkdir(parents=True, exist_ok=True)
        (modules / path).write_text(path)
    site.use_local_scripts(published, modules)
    text = (published / "graphs.html").read_text()
    assert '<script src="vendor/jquery-3.3.1.min.js"' in text
    assert '<link rel="stylesheet" href="vendor/bootstrap.min.css">' in text
    assert "https://example.org/of/a/later/asv.js" in text
    assert (published / "vendor" / "bootstrap.min.css").read_text() == "bootstrap/dist/css/bootstrap.min.css"


def test_without_results_the_page_says_so():
    assert "No results are recorded yet" in render([])


def test_history_grows(results):
    assert [len(r.commit) for r in recorded.history(results, "machine")] == [40, 40]
    assert 'aria-label="2 commits"' in render([recorded.history(results, "machine")])


def commit(repository, message, date):
    """Commit everything; returns the commit's name."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "add", "."], check=True, env=environment)
    subprocess.run([*git, "commit", "--quiet", "--no-verify", "-m", message], check=True, env=environment)
    named = subprocess.run([*git, "rev-parse", "HEAD"], check=True, env=environment, capture_output=True, text=True)
    return named.stdout.strip()


@pytest.fixture
def repository(results, tmp_path):
    """A small repository with this suite, and results of its two commits."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    copy, suite = tmp_path / "repository", Path(site.HERE).parent
    unwanted = shutil.ignore_patterns("results", ".asv", "node_modules", "__pycache__")
    shutil.copytree(suite, copy / "benchmarks", ignore=unwanted)
    shutil.copytree(suite.parent / "fastff", copy / "fastff", ignore=unwanted)
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(copy)], check=True)
    (copy / ".gitignore").write_text("results\n.asv\n")
    kept = copy / "benchmarks" / "results"
    shutil.copytree(results, kept)
    descriptions = {}
    for number, path in enumerate(sorted(recorded.files(kept))):
        (copy / "README.md").write_text(str(number))
        data = json.loads(path.read_text())
        data["commit_hash"] = commit(copy, f"number {number}", f"2024-01-0{number + 1}T12:00:00")
        for name, (_, params, _) in data["results"].items():
            labels = [registry.LABELS[name.partition(".")[0]], *map(str, range(len(params) - 2)), "impl"]
            descriptions[name] = {
                "name": name, "code": "", "version": "1", "type": "track", "unit": "x", "params": params,
                "param_names": labels,
            }  # fmt: skip
            data["results"][name].append("1")
        data["result_columns"].append("version")
        data |= {"env_name": "e", "params": {"machine": "machine"}, "python": "3", "requirements": {}, "env_vars": {}}
        path.write_text(json.dumps({**data, "version": 2, "durations": {}}))
    (kept / "benchmarks.json").write_text(json.dumps({**descriptions, "version": 2}))
    return copy


def test_asv_publishes_it(repository, tmp_path):
    pytest.importorskip("asv")
    asv = [sys.executable, "-m", "asv", "publish"]
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        asv, cwd=repository / "benchmarks", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    published = repository / "benchmarks" / ".asv" / "html"
    assert len(Page((published / "index.html").read_text()).speedups) == len(registry.ENTRIES)
    assert "airspeed velocity" in (published / "graphs.html").read_text()
    graphs = list((published / "graphs").rglob("kernels.Comparison.track_speedup_over_numpy.json"))
    assert any(len(json.loads(path.read_text())) == 2 for path in graphs)
    modules = site.HERE / "node_modules"
    if browser.browser_path() is not None and modules.is_dir():
        pytest.importorskip("selenium")
        site.use_local_scripts(published, modules)
        assert browser.main(str(published)) == 0


@pytest.mark.skipif(browser.browser_path() is None, reason="no browser with its driver")
def test_in_a_browser(published):
    pytest.importorskip("selenium")
    (published / "swallow.ico").write_bytes(b"")
    with browser.served(published) as address, browser.browser() as driver:
        shown = browser.speedups(driver, address)
        assert browser.errors(driver) == []
    assert len(shown) == len({entry.title for entry in registry.ENTRIES})
