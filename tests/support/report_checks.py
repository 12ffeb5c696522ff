"""Checks of a page: it needs nothing else, and its figures have a text."""


def check_alternatives(page):
    pictures = page.find_all(role="img")
    assert len(pictures) >= 4
    for picture in pictures:
        assert len(picture["aria-label"]) > 20
        assert picture.find_all("svg")[0].find_all("path")
        tables = [
            table
            for sibling in picture.parent.children
            if sibling.tag == "details"
            for table in sibling.find_all("tbody")
        ]
        assert tables
        assert tables[0].children, picture["aria-label"]


def check_self_contained(page):
    for element in page.walk():
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = element[name]
            assert value is None or value.startswith(("data:", "#")) or element.tag == "a", (element.tag, name, value)
    style = page.find("style").text
    assert "url(" not in style
    assert "@import" not in style
    policy = page.find("meta", **{"http-equiv": "Content-Security-Policy"})["content"]
    assert policy.startswith("default-src 'none'")
    ids = [element["id"] for element in page.walk() if element["id"]]
    assert len(ids) == len(set(ids))
    assert not [link["href"] for link in page.find("nav").find_all("a") if link["href"][1:] not in ids]
