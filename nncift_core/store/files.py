"""The file functions of ``nncift_core.files`` under the store's name.

They live on the ground floor because the embedding cache, the export and the jobs, all below
or beside the store, write their files in the same way.
"""

from nncift_core.files import (
    load_array,
    named_errors,
    plain,
    read_json,
    remove_partials,
    replacing,
    save_array,
    size_of,
    write_bytes,
    write_json,
    write_text,
)

replace_atomically = replacing

__all__ = [
    "load_array",
    "named_errors",
    "plain",
    "read_json",
    "remove_partials",
    "replace_atomically",
    "replacing",
    "save_array",
    "size_of",
    "write_bytes",
    "write_json",
    "write_text",
]
