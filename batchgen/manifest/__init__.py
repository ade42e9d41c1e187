"""The manifest language: text with positions into a validated Manifest, and a Manifest into a lazy stream of Jobs.

`loader.load` reads one. This module stays light: most commands need no more of the language than a duration.
"""
