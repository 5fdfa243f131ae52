"""User Entry Process Tests as a project: what is due, what was run, what is open, and the documents that say so.

The project of one Party in one User Role lies in one SQLite file. `project` holds it, `results` fills it from evidence,
`progress` counts, `criteria` judges entry and exit, `artefacts` writes the documents (SEC Appendix R, clauses 5 and 6).
"""
