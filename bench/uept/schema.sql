-- The store of a project: one file a Party, User Role and population. What was said is never overwritten: facts,
-- documents, results and changes of issues are rows of their own, and `log` has who did what, when.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE tests (
    id TEXT PRIMARY KEY,
    test TEXT NOT NULL,
    clause TEXT NOT NULL,
    scenario TEXT NOT NULL,
    title TEXT NOT NULL,
    smets TEXT NOT NULL DEFAULT '',
    variant TEXT NOT NULL DEFAULT '',
    mandatory INTEGER NOT NULL,
    met_by TEXT NOT NULL DEFAULT '',
    precondition TEXT NOT NULL DEFAULT '',
    position INTEGER NOT NULL,
    planned_on TEXT,
    not_testable TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE scripts (
    test TEXT NOT NULL REFERENCES tests (id),
    script TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('in progress', 'produced')),
    data_ready INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (test, script)
) STRICT;

CREATE TABLE executions (
    number INTEGER PRIMARY KEY,
    test TEXT NOT NULL REFERENCES tests (id),
    cycle INTEGER NOT NULL,
    result TEXT NOT NULL CHECK (result IN ('passed', 'failed', 'blocked', 'not run')),
    at TEXT NOT NULL,
    script TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    run TEXT NOT NULL DEFAULT '',
    evidence TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT '',
    real INTEGER NOT NULL,
    who TEXT NOT NULL,
    regression INTEGER NOT NULL DEFAULT 0,
    retest_of INTEGER REFERENCES issues (number)
) STRICT;

CREATE TABLE issues (
    number INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    severity INTEGER NOT NULL CHECK (severity BETWEEN 1 AND 5),
    status TEXT NOT NULL CHECK (status IN ('open', 'fixed', 'closed')),
    raised_at TEXT NOT NULL,
    execution INTEGER NOT NULL REFERENCES executions (number),
    workaround TEXT NOT NULL DEFAULT '',
    plan TEXT NOT NULL DEFAULT '',
    target TEXT,
    agreed_on TEXT,
    closed_by INTEGER REFERENCES executions (number)
) STRICT;

CREATE TABLE raid (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('risk', 'assumption', 'issue', 'dependency')),
    title TEXT NOT NULL,
    priority TEXT NOT NULL CHECK (priority IN ('high', 'medium', 'low')),
    severity INTEGER CHECK (severity BETWEEN 1 AND 5),
    action TEXT NOT NULL DEFAULT '',
    target TEXT,
    rag TEXT NOT NULL CHECK (rag IN ('red', 'amber', 'green')),
    environment INTEGER NOT NULL DEFAULT 0,
    opened_at TEXT NOT NULL,
    closed_at TEXT
) STRICT;

CREATE TABLE suspensions (
    number INTEGER PRIMARY KEY,
    by TEXT NOT NULL CHECK (by IN ('Party', 'DCC')),
    since TEXT NOT NULL,
    cause TEXT NOT NULL,
    actions TEXT NOT NULL,
    whom TEXT NOT NULL,
    due TEXT NOT NULL,
    resumed TEXT,
    agreed TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'submitted', 'approved', 'rejected')),
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    path TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE steps (step TEXT NOT NULL, done_on TEXT NOT NULL, who TEXT NOT NULL, PRIMARY KEY (step, done_on)) STRICT;

CREATE TABLE facts (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    at TEXT NOT NULL,
    who TEXT NOT NULL
) STRICT;

CREATE TABLE log (number INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL) STRICT;
