"""The writer of outputs: names, temporary files, checking of what arrived, durable renames, and looking again later.

`writer.Store` saves outputs, `names` decides what they are called, `check` looks at them again, `parts.clean_parts`
sweeps up what a crash left. Imports nothing itself: reading a run directory needs neither Pillow nor aiofiles.
"""
