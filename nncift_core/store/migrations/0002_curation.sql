-- What the curator did by hand, run by run. Rows are only ever added: an undo is a row too.

CREATE TABLE curation_actions (
    run_id VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    PRIMARY KEY (run_id, ordinal)
);
