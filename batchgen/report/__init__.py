"""Readers of events and of their fold: progress while a run goes on, and what is said before and after it.

Progress writes only to the stream it is given; everything else here returns values and writes nothing.
"""
