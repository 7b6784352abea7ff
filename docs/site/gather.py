"""Gather the pages of the site in ``build/docs``: the Markdown of the repository, the reference, the options.

A code host shows the Markdown where it lies; here its links are changed to lead to pages of the site, also those to
``configs/`` and to papers at the root of the repository. ``make docs`` runs this first; it needs nothing but Python.
"""

import ast
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "polyhead"
PAPERS = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
PAPERS |= {"SECURITY.md": "security.md"}
FILES = {"compose.yaml": "yaml", "Dockerfile": "docker", "CITATION.cff": "yaml", "LICENSE": "text"}
SHELL = ("python ", "pip ", "make ", "polyhead ", "docker ", "curl ", "cat ", "tensorboard ", "hey ", "cd ", "git ")


def pages() -> dict[Path, Path]:
    """Return where each Markdown file of the repository goes on the site, both relative to their folders."""
    papers = {Path(name): Path(page) for name, page in PAPERS.items()}
    docs = {path.relative_to(ROOT): path.relative_to(ROOT / "docs") for path in sorted(ROOT.glob("docs/**/*.md"))}
    return papers | {source: page.with_name(page.name.replace("README", "index")) for source, page in docs.items()}


def address(target: Path) -> str | None:
    """Return the page, with an anchor, of a file or folder of the repository; None if the site has none."""
    if target in pages():
        return str(pages()[target])
    if str(target) in FILES:
        return f"files.md#{str(target).lower().replace('.', '')}"
    place, *rest = target.parts
    if place == "docs":
        return str(target.relative_to("docs"))
    if place != "configs":
        return None
    if not rest:
        return "options/index.md"
    if len(rest) == 1:
        return f"options/{target.stem}.md" if target.suffix == "" else f"options/index.md#{target.stem}"
    return f"options/{rest[0]}.md#{target.stem}"


def moved_links(text: str, source: Path, page: Path) -> str:
    """Return a page whose links lead to the same things on the site; of what the site does not have, the words.

    Raises:
        FileNotFoundError: a link leads nowhere.
    """

    def moved(match: re.Match[str]) -> str:
        words, target, anchor = match["words"], match["target"], match["anchor"] or ""
        if not target or re.match(r"\w+:", target):
            return match[0]
        there = (ROOT / source.parent / target).resolve()
        if not there.exists():
            raise FileNotFoundError(f"{source}: {target} leads nowhere")
        found = address(there.relative_to(ROOT))
        if found is None:
            return words.removeprefix("!")[1:-1]
        return f"{words}({os.path.relpath(found, page.parent)}{anchor})"

    return re.sub(r"(?P<words>!?\[[^\]]*\])\((?P<target>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)", moved, text)


def fenced(text: str) -> str:
    """Return a page whose indented code has fences that name its language, for colors."""

    def fence(match: re.Match[str]) -> str:
        code = re.sub(r"^    ", "", match[0], flags=re.MULTILINE).strip("\n")
        return f"\n```{language(code)}\n{code}\n```\n\n"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    indented = r"(?<=\n)\n(?:    .*\n|\n(?=\n*    ))+\n*"
    return "".join(part if part.startswith("```") else re.sub(indented, fence, part) for part in parts)


def language(code: str) -> str:
    """Return the language of a block of code."""
    if re.search(rf"^(?:{'|'.join(SHELL)})", code, re.MULTILINE):
        return "bash"
    try:
        ast.parse(code)
    except SyntaxError:
        return "text"
    return "python" if re.search(r"[.=(]|^import ", code, re.MULTILINE) else "text"


def from_markdown(source: Path, page: Path) -> str:
    """Return a Markdown file of the repository as a page of the site."""
    text = (ROOT / source).read_text(encoding="utf-8")
    text = re.sub(r"```mermaid\n.*?```\n", "", text, flags=re.DOTALL)  # a code host draws it; here a script would
    return moved_links(fenced(text), source, page)


def packages() -> Iterator[tuple[str, list[str]]]:
    """Yield each package with public names, and these names, in the order of the package's folders."""
    for path in sorted(PACKAGE.rglob("__init__.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = [name for name in ast.literal_eval(node.value) if not name.startswith("__")]
                if names:
                    yield ".".join(path.parent.relative_to(PACKAGE.parent).parts), names


def reference() -> dict[Path, str]:
    """Return a page for each room: what mkdocstrings is to show, the packages inside it after its own names."""
    written: dict[Path, str] = {}
    for package, names in packages():
        room = package.split(".")[1] if "." in package else package
        page = Path("reference") / f"{room}.md"
        folder = PACKAGE.parent / package.replace(".", "/")
        hidden = [name for name in names if (folder / f"{name}.py").exists()]  # behind the modules of their names
        own = [f"::: {package}.{name}.{name}\n    options: {{show_root_heading: true}}" for name in hidden]
        written[page] = written.get(page, "") + "\n\n".join([f"# `{package}`", f"::: {package}", *own, ""])
    return {page: re.sub(r"(?<=\n)# ", "## ", text) for page, text in written.items()}


def options() -> dict[Path, str]:
    """Return a page for each group of ``configs/``, and one for the commands with the list of groups."""
    groups = sorted(path for path in (ROOT / "configs").iterdir() if path.is_dir())
    written = {
        Path("options") / f"{group.name}.md": "\n".join(
            [f"# `{group.name}`\n", *(_option(path) for path in sorted(group.glob("*.yaml")))]
        )
        for group in groups
    }
    listed = "\n".join(f"- [`{group.name}`]({group.name}.md)" for group in groups)
    commands = "\n".join(_option(path) for path in sorted((ROOT / "configs").glob("*.yaml")))
    start = "# Options\n\nEach group of `configs/` is a choice, and each of its files an option: `GROUP=NAME`.\n\n"
    written[Path("options/index.md")] = f"{start}{listed}\n\nWhat the commands take:\n\n{commands}"
    return written


def _option(path: Path) -> str:
    return f"## {path.stem}\n\n```yaml\n{path.read_text(encoding='utf-8').strip()}\n```\n"


def files() -> str:
    """Return a page of the files at the root that pages speak of."""
    parts = [
        f"## {name}\n\n```{kind}\n{(ROOT / name).read_text(encoding='utf-8').strip()}\n```\n"
        for name, kind in FILES.items()
    ]
    return "\n".join(["# Files\n", *parts])


def gather(folder: Path) -> None:
    """Write all pages, and the pictures and tables of ``docs/``, to a folder, which they have for themselves."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.md", "site"))
    shutil.copy(Path(__file__).with_name("site.css"), folder)
    written = {page: from_markdown(source, page) for source, page in pages().items()}
    for page, text in {**written, **reference(), **options(), Path("files.md"): files()}.items():
        path = folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    gather(ROOT / "build" / "docs")
