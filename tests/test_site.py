"""The site: its pages are those of the repository, it builds strictly, and its reference has every public name."""

import shutil
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from support.commands import ROOT


def load(name):
    spec = spec_from_file_location(f"docs_site_{name}", ROOT / "docs" / "site" / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check, gather = load("check"), load("gather")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    if missing := [name for name in ("zensical", "mkdocstrings", "latex2mathml", "griffe") if find_spec(name) is None]:
        pytest.skip(f"{missing[0]} is not installed; pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    for name in ("src", "docs"):
        (folder / name).symlink_to(ROOT / name)
    gather.gather(folder / "build" / "docs")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return folder / "site"


@pytest.mark.slow
def test_site_has_no_dead_link_and_asks_no_other_host(site):
    assert list(check.problems(site)) == []


@pytest.mark.slow
def test_reference_has_every_public_name(site):
    pages = {path: check.Page(path.read_text()) for path in (site / "reference").glob("*.html")}
    shown = set().union(*(page.ids for page in pages.values()))
    names = [(f"{package}.{name}", name) for package, names in gather.packages() for name in names]
    assert len(names) > 100
    assert [path for path, name in names if not {path, f"{path}.{name}"} & shown] == []


@pytest.mark.slow
def test_reference_shows_formulas_and_examples_as_what_they_are(site):
    pages = [path.read_text() for path in (site / "reference").glob("*.html")]
    assert any("<mfrac>" in page for page in pages)
    assert not any(".. math::" in page or ":class:" in page or "<p>&gt;&gt;&gt;" in page for page in pages)
    assert not any("<blockquote>" in page for page in pages)  # what >>> becomes outside of code


def test_pages_are_in_the_navigation(tmp_path):
    gather.gather(tmp_path)
    assert list(check.navigation_problems(ROOT / "mkdocs.yml", tmp_path)) == []


def test_navigation_problems_are_told_apart(tmp_path):
    (tmp_path / "mkdocs.yml").write_text("a: b.md\nnav:\n  - One: one.md\n  - Two: two.md\n")
    (tmp_path / "pages").mkdir()
    for name in ("two", "three"):
        (tmp_path / "pages" / f"{name}.md").touch()
    lacks, names = check.navigation_problems(tmp_path / "mkdocs.yml", tmp_path / "pages")
    assert "lacks three.md" in lacks
    assert "names one.md" in names


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="gone.html">', "gone.html leads nowhere"),
        ('<img src="gone.png">', "gone.png leads nowhere"),
        ('<a href="#gone">', "#gone has no such place"),
        ('<a href="other.html#gone">', "other.html#gone has no such place"),
        ('<script src="https://example.org/a.js">', "fetched from another host"),
        ('<a href="https://example.org"><a href="other.html#there"><a href="#here" id="here">', None),
    ],
)
def test_check_finds_what_leads_nowhere(tmp_path, body, problem):
    (tmp_path / "index.html").write_text(body)
    (tmp_path / "other.html").write_text('<p id="there">')
    found = "\n".join(check.problems(tmp_path))
    assert problem in found if problem else found == ""


@pytest.mark.parametrize(
    ("link", "moved"),
    [
        ("[files](../../configs/data/files.yaml)", "[files](../options/data.md#files)"),
        ("[encoders](../../configs/encoder)", "[encoders](../options/encoder.md)"),
        ("[all](../../configs)", "[all](../options/index.md)"),
        ("[label](../../configs/label.yaml)", "[label](../options/index.md#label)"),
        ("[a weighting](../../CONTRIBUTING.md#a-weighting)", "[a weighting](../contributing.md#a-weighting)"),
        ("[log](../lab/README.md#what-did-not-help)", "[log](../lab/index.md#what-did-not-help)"),
        ("![report](../report.png)", "![report](../report.png)"),
        ("[image](../../Dockerfile)", "[image](../files.md#dockerfile)"),
        ("[here](#here), [there](https://example.org)", "[here](#here), [there](https://example.org)"),
        ("[tests](../../tests)", "tests"),  # no page has them
    ],
)
def test_links_lead_to_the_same_things_on_the_site(link, moved):
    assert gather.moved_links(link, Path("docs/howto/page.md"), Path("howto/page.md")) == moved


def test_links_that_lead_nowhere_are_refused():
    with pytest.raises(FileNotFoundError, match="gone"):
        gather.moved_links("[x](gone.md)", Path("docs/page.md"), Path("page.md"))


def test_indented_code_gets_fences_that_name_its_language():
    page = "Run\n\n    python train.py\n\n    make test\n\nor\n\n    import polyhead\n\n```text\na\n\n    b\n```\n"
    fenced = gather.fenced(page)
    assert "```bash\npython train.py\n\nmake test\n```" in fenced
    assert "```python\nimport polyhead\n```" in fenced
    assert fenced.endswith("```text\na\n\n    b\n```\n")
