-- Times are ISO-8601 text in UTC: sorting text sorts time, and no time-zone data is needed.
-- No foreign keys: DuckDB rewrites an updated row as delete plus insert, which they forbid.
-- No index on the large tables: rows lie in input order, so that block statistics find them.

CREATE TABLE datasets (
    id VARCHAR PRIMARY KEY,
    name VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    accepted INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    exact_duplicates INTEGER NOT NULL,
    warnings VARCHAR NOT NULL,
    sources VARCHAR NOT NULL
);

CREATE TABLE rows (
    dataset_id VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    row_id VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    response VARCHAR NOT NULL,
    subtask VARCHAR,
    row_group VARCHAR,
    source_id VARCHAR,
    raw VARCHAR NOT NULL
);

CREATE TABLE rejections (
    dataset_id VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    file VARCHAR NOT NULL,
    line INTEGER NOT NULL,
    reason VARCHAR NOT NULL,
    excerpt VARCHAR NOT NULL
);

CREATE TABLE projects (
    id VARCHAR PRIMARY KEY,
    name VARCHAR NOT NULL,
    pool_id VARCHAR NOT NULL,
    target_id VARCHAR,
    target_sample INTEGER,
    created_at VARCHAR NOT NULL
);

CREATE TABLE runs (
    run_id VARCHAR PRIMARY KEY,
    project_id VARCHAR NOT NULL,
    config VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    result VARCHAR
);

CREATE TABLE labels (
    run_id VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    helper VARCHAR NOT NULL,
    helped VARCHAR NOT NULL,
    value FLOAT NOT NULL
);

CREATE TABLE quadrant_metrics (
    run_id VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    quadrant VARCHAR NOT NULL,
    metrics VARCHAR NOT NULL
);

CREATE TABLE selections (
    id VARCHAR PRIMARY KEY,
    run_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    objective VARCHAR NOT NULL,
    budget VARCHAR NOT NULL,
    row_count INTEGER NOT NULL,
    meta VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL
);

CREATE TABLE selection_rows (
    selection_id VARCHAR NOT NULL,
    rank INTEGER NOT NULL,
    row_id VARCHAR NOT NULL,
    gain DOUBLE,
    round INTEGER NOT NULL,
    reason VARCHAR NOT NULL
);

CREATE TABLE exports (
    id VARCHAR PRIMARY KEY,
    selection_id VARCHAR NOT NULL,
    export_schema VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    row_count INTEGER NOT NULL,
    created_at VARCHAR NOT NULL
);
