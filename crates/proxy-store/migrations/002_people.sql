-- Alerts, and who may use the admin listener. Times are Unix milliseconds; secrets are kept as hashes only.
CREATE TABLE alert (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    severity TEXT NOT NULL,
    text TEXT NOT NULL,
    value REAL,
    threshold REAL,
    raised INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    cleared INTEGER,
    acknowledged INTEGER,
    acknowledged_by TEXT
) STRICT;
-- One open alert for a rule and a subject.
CREATE UNIQUE INDEX alert_open ON alert (rule, subject) WHERE cleared IS NULL;

CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    last_used INTEGER
) STRICT;

CREATE TABLE login (
    hash BLOB PRIMARY KEY,
    user TEXT NOT NULL,
    role TEXT NOT NULL,
    created INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE password (
    user TEXT PRIMARY KEY,
    phc TEXT NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
