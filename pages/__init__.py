"""The app's pages, one file each: widgets, one call into nncift_core, the result."""
