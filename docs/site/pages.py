"""Lays out the pages of the site, before it is built.

Pages stand in the repository where they read well: most in `docs`, some elsewhere. Here they are
put into one folder, with links that lead from page to page, or else into the repository, and with
`llms.txt`.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
REPOSITORY: Final = "https://github.com/feather-memory/feather-memory/blob/main/"

ELSEWHERE: Final = {
    "langchain.md": "integrations/langchain-feather-memory/README.md",
    "llama-index.md": "integrations/llama-index-memory-feather/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changes.md": "CHANGELOG.md",
}
"""Page of the site: the file it is, where that is not in `docs`."""

_PAGES: Final = {source: page for page, source in ELSEWHERE.items()} | {"README.md": "index.md"}
_LINK: Final = re.compile(r"(\]\()([^)\s#]*)(#[^)\s]*)?(\))")
_FENCE: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_ENTRY: Final = re.compile(r"( +)- ([^:]+):(?: (\S+\.md))?")
_OUTSIDE: Final = re.compile(r"[a-z]+:")


def source_of(page: str) -> str:
    """The file of the repository that a page of the site is."""
    return ELSEWHERE.get(page, f"docs/{page}")


def link_from(page: str, link: str) -> str:
    """Where a relative link of a page leads on the site.

    >>> link_from("style.md", "../CONTRIBUTING.md")
    'contributing.md'
    >>> link_from("howto/rag.md", "../../notebooks/01_core.ipynb")
    'https://github.com/feather-memory/feather-memory/blob/main/notebooks/01_core.ipynb'
    """
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source_of(page)), link))
    if target in _PAGES:
        target = f"docs/{_PAGES[target]}"
    if not target.startswith("docs/") or target.endswith((".json", ".py")):
        return REPOSITORY + target
    return posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(page) or ".")


def relinked(page: str, text: str) -> str:
    """The text of a page with links as the site has them; code is left as it is."""

    def there(found: re.Match[str]) -> str:
        before, link, heading, after = found[1], found[2], found[3] or "", found[4]
        if not link or _OUTSIDE.match(link):
            return found[0]
        return before + link_from(page, link) + heading + after

    parts = _FENCE.split(text)
    return "".join(p if p.startswith("```") else _LINK.sub(there, p) for p in parts)


def titles(config: str) -> list[tuple[str | None, str, str]]:
    """The navigation of `mkdocs.yml`: of each page the section it is in, its title and its path.

    The file is read line by line, for this has to run where nothing is installed.
    """
    listed: list[tuple[str | None, str, str]] = []
    section = None
    for line in config.partition("\nnav:\n")[2].splitlines():
        if (entry := _ENTRY.fullmatch(line)) is None:
            break
        depth, title, page = entry[1], entry[2], entry[3]
        section = title if page is None else section if len(depth) > 2 else None
        if page is not None:
            listed.append((section, title, page))
    return listed


def summary_of(text: str) -> str:
    """The first sentence of a page's prose, on one line; empty if it has none."""
    prose = re.sub(r"^(#.*|!\[.*|:::.*|    .*|\|.*)$", "", _FENCE.sub("", text), flags=re.MULTILINE)
    first = next((each for each in prose.split("\n\n") if each.strip()), "")
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", " ".join(first.split()))
    return re.split(r"(?<=[.?])\s", plain, maxsplit=1)[0]


def llms_txt(config: str) -> str:
    """The site for a language model: a line a page, in the order of the navigation."""
    name, told = (_said(config, field) for field in ("site_name", "site_description"))
    lines, before = [f"# {name}", "", f"> {told}", ""], None
    for section, title, page in titles(config):
        if section != before:
            lines += ["", f"## {section}", ""] if section else [""]
            before = section
        summary = summary_of((ROOT / source_of(page)).read_text("utf-8"))
        link = f"- [{title}]({page.removesuffix('.md')}.html)"
        lines.append(f"{link}: {summary}" if summary else link)
    return "\n".join(lines) + "\n"


def _said(config: str, field: str) -> str:
    return config.partition(f"{field}: ")[2].partition("\n")[0]


def lay_out(folder: Path) -> None:
    """Put all pages and pictures into the folder, in the place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("site", "*.json"))
    for page, source in ELSEWHERE.items():
        shutil.copy(ROOT / source, folder / page)
    for path in folder.rglob("*.md"):
        page = path.relative_to(folder).as_posix()
        path.write_text(relinked(page, path.read_text("utf-8")), "utf-8")
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    (folder / "llms.txt").write_text(llms_txt(config), "utf-8")
