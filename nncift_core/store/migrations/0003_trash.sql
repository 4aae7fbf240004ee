-- A run in the trash keeps all its records: only its folder moves, and lists leave it out.

ALTER TABLE runs ADD COLUMN trashed_at VARCHAR;
