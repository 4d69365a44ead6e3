"""Every link between files of the repository leads somewhere, and the navigation of the site has every page."""

from __future__ import annotations

import re
from pathlib import Path

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub and Python-Markdown make them of plain headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_links_between_files_lead_somewhere(repository_root: Path) -> None:
    pages = [*repository_root.glob("*.md"), *(repository_root / "docs").rglob("*.md")]
    pages += (repository_root / "examples").glob("*.md")
    broken = []
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in LINK.findall(text):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            if re.match(r"[a-z]+:", link):
                continue
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in headings(target)):
                broken.append(f"{page.relative_to(repository_root)}: {link}")
    assert broken == []


def test_readme_and_start_page_lead_to_every_page(repository_root: Path) -> None:
    docs = repository_root / "docs"
    start = (docs / "index.md").read_text(encoding="utf-8") + (repository_root / "README.md").read_text(
        encoding="utf-8"
    )
    linked = {Path(link.partition("#")[0]).name for link in LINK.findall(start)}
    assert {page.name for page in docs.glob("*.md")} - linked - {"index.md"} == set()


def test_pictures_are_small_enough_to_load(repository_root: Path) -> None:
    shown = [
        link for link in LINK.findall((repository_root / "README.md").read_text(encoding="utf-8")) if "images/" in link
    ]
    assert "docs/images/tracking.gif" in shown
    assert [link for link in shown if (repository_root / link).stat().st_size > 2_000_000] == []
