-- The texts of rows as searches look at them: folded and put together by
-- nncift_core.datasets.row_filter, which SQL cannot do. Datasets of older versions get theirs at
-- their first search. A table of its own: DuckDB would rewrite all of `rows` to fill a column.

CREATE TABLE prepared_texts (
    dataset_id VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    folded VARCHAR NOT NULL
);
