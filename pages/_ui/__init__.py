"""What pages share: the shell around each page, ids in the URL, errors, jobs, charts."""
