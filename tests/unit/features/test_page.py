"""docs/features.md says what the contract says."""

from __future__ import annotations

from docs.features_page import PAGE, page


def test_the_page_is_the_one_that_the_contract_makes() -> None:
    assert PAGE.read_text() == page(), "the contract has changed: make features-page"
