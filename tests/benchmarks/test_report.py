"""The pages say what the results say; the project's own are in step with the results they name."""

import shutil
from pathlib import Path

import pytest

from benchmarks import recorded
from benchmarks.report import pages, pictures
from benchmarks.report.__main__ import write

ROOT = Path(recorded.HERE).parent


def test_results_are_read_with_their_parameters(results):
    newest = recorded.newest(list(recorded.files(results)))
    assert newest.commit == "b" * 40
    assert newest.versions == "Python 3.11, numpy 2"
    name = "kernels.Comparison.track_speedup_over_numpy"
    assert newest.get(name, "sgd_step", "64x784x256", "float32", "fastff") == pytest.approx(3 * 1.08)
    assert newest.get(name, "linear_relu", "60x1000x100", "float32", "fastff") is None


def test_pages_are_made_from_results(results, tmp_path):
    (tmp_path / "README.md").write_text("# x\n<!-- figures -->\nold\n<!-- figures -->\nrest\n")
    write(tmp_path, results)
    readme, document = (tmp_path / "README.md").read_text(), (tmp_path / "docs" / "benchmarks.md").read_text()
    assert "old" not in readme
    assert readme.endswith("<!-- figures -->\nrest\n")
    assert "machine/bbbbbbbb-virtualenv-py3.11.json" in document
    assert "Measured on 2024-07-03 on machine" in document
    assert "3.2x" in document
    assert pages.named_results(readme, results).path == pages.named_results(document, results).path
    write(tmp_path, results)
    assert (tmp_path / "README.md").read_text() == readme
    for name in pictures.PICTURES:
        assert (tmp_path / "docs" / "figures" / f"{name}.png").stat().st_size > 10_000


def test_other_results_make_other_pages(results, tmp_path):
    (tmp_path / "README.md").write_text("<!-- figures -->\n<!-- figures -->\n")
    write(tmp_path, results)
    newest = recorded.newest(list(recorded.files(results)))
    for benchmark in newest.values.values():
        for key in benchmark:
            benchmark[key] *= 2
    assert pages.document(newest, tmp_path) != (tmp_path / "docs" / "benchmarks.md").read_text()
    for name in pictures.PICTURES:
        assert pictures.digest(pictures.rows_of(newest, name)) != drawn(tmp_path / "docs" / "figures" / f"{name}.png")


def drawn(path):
    image = pytest.importorskip("PIL.Image")
    with image.open(path) as opened:
        return opened.text["Comment"]


def project_page(name):
    path = ROOT / name
    if not recorded.RESULTS.is_dir() or not path.exists():
        pytest.skip("a copy of the project without its results and pages")
    return path.read_text()


def test_the_readme_is_in_step_with_the_results_it_names():
    text = project_page("README.md")
    assert pages.with_figures(text, pages.named_results(text), ROOT) == text, "run: python -m benchmarks.report"


def test_the_document_is_in_step_with_the_results_it_names():
    text = project_page("docs/benchmarks.md")
    assert pages.document(pages.named_results(text), ROOT) == text, "run: python -m benchmarks.report"


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_the_pictures_are_in_step_with_the_results(name):
    results = pages.named_results(project_page("docs/benchmarks.md"))
    digest = pictures.digest(pictures.rows_of(results, name))
    assert drawn(ROOT / "docs" / "figures" / f"{name}.png") == digest, "run: python -m benchmarks.report"


def test_both_pages_name_the_newest_results():
    document = pages.named_results(project_page("docs/benchmarks.md"))
    assert pages.named_results(project_page("README.md")).path == document.path


def test_versions_are_noted_once(results):
    import sys

    path = next(recorded.files(results))
    for _ in range(2):
        recorded.note_versions(path, sys.executable)
    assert "numpy" in recorded.read(path).versions
    assert len((path.parent / "versions.txt").read_text().splitlines()) == 2
    shutil.rmtree(results)
