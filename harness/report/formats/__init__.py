"""The formats that courses' platforms read, each a pure function from a record to text.

What each of them holds, and how it shows a rule that was not judged: docs/formats.md.
"""
