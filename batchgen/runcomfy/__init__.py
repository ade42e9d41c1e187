"""The HTTP adapter for RunComfy's Model API: submit, status, result, cancel, and an output's bytes.

Every foreign error becomes one of `batchgen.errors` here. What an answer means is decided by pure functions
(`verdicts`, `reading`, `envelope`, `hosts`); `client` and `files` do the talking.
"""
