"""The engine: takes jobs from one stream, and sees each through to its files. Knows no HTTP, no files, no terminal."""
