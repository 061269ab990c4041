"""Your tasks live here: every public, typed function of a module in this folder is one."""
