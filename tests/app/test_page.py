"""The page's files as they are in the repository."""

import re

from programs import ROOT


def test_the_content_security_policy_lets_the_page_use_every_kind_of_file_that_the_host_gives_it():
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', (ROOT / "app/ui/index.html").read_text())[1]
    kinds = {"text/css": "style-src", "text/javascript": "script-src", "image/png": "img-src", "image/svg+xml": "img-src", "font/woff2": "font-src"}
    given = set(re.findall(r'Type\{"\.\w+", +"([^"]+)"\}', (ROOT / "app/host/page.cpp").read_text())) - {"text/html", "application/json"}
    assert given == kinds.keys()
    for kind in given:
        assert f"{kinds[kind]} 'self'" in policy, kind
