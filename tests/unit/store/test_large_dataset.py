from __future__ import annotations

import resource

import pytest

from nncift_core.datasets.row_filter import RowFilter


@pytest.mark.slow
def test_200_000_rows_are_stored_searched_and_paged_in_bounded_memory(workspace, make_dataset):
    count = 200_000
    texts = [
        (f"Question {i}: what is {i} plus {i * 7 % 1000}? " * 3, f"{i} " * 20) for i in range(count)
    ]
    dataset = make_dataset(texts=texts, subtasks=[f"s{i % 20}" for i in range(count)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    catalog = workspace.catalog
    catalog.add_dataset(dataset)
    assert catalog.dataset_rows("aaaa0001") == list(dataset.rows)
    page, total = catalog.browse_rows("aaaa0001", row_filter=RowFilter('"QUESTION 19999"'))
    assert total == sum("question 19999" in text.lower() for text, _ in texts)
    assert page[0].position == 19999
    page, _ = catalog.browse_rows("aaaa0001", offset=199_950, limit=50)
    assert [r.position for r in page] == list(range(199_950, 200_000))
    raw = catalog.dataset_raw("aaaa0001", range(count - 1, 0, -3))
    assert raw == [dataset.raw[i] for i in range(count - 1, 0, -3)]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 1500, f"{grown:.0f} MB"
