from __future__ import annotations

import pytest

from docs.markdown import PAGES, ROOT, anchors, links

LINKS = [(page, link) for page in PAGES for link in links(page) if "://" not in link and not link.startswith("mailto:")]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
def test_a_link_leads_somewhere(page, link):
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists(), f"{page.relative_to(ROOT)} links to {link}"
    assert target.is_relative_to(ROOT), "links stay inside of the project"
    if fragment:
        assert fragment in anchors(target), f"{page.relative_to(ROOT)} links to {link}"


def test_every_page_of_the_documentation_is_linked_from_another():
    linked = {(page.parent / link.partition("#")[0]).resolve() for page, link in LINKS}
    folders = {path / "README.md" for path in linked if path.is_dir()}
    alone = [page for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in linked | folders]
    assert [str(page.relative_to(ROOT)) for page in alone if page.parent.name != "adr"] == []
