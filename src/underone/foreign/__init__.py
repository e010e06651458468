"""Files of other frameworks, read without them: each a ForeignFile of named arrays, and a Graph where the file holds one."""
