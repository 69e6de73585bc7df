"""docs/models.md says what the tests check."""

import models_page


def test_the_page_is_what_the_tests_say():
    assert models_page.PAGE.read_text() == models_page.page(), "Write it again: python tests/core/models/models_page.py"


def test_every_architecture_was_compared_with_another_program():
    unchecked = [architecture for architecture, *peers in models_page.gguf_rows() if set(peers) == {"-"}]
    assert unchecked == []
