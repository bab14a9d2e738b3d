-- Sessions that clients may come back for, also after a restart of the proxy. Only identities: what players do is asked
-- of the nodes. Whoever knows a session's id and a password can act on it, so the file is its owner's alone.
CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    client TEXT,
    opened INTEGER NOT NULL,
    resuming INTEGER NOT NULL,
    timeout INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The ids that nodes gave to a session.
CREATE TABLE link (
    session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    node TEXT NOT NULL,
    node_session TEXT NOT NULL,
    PRIMARY KEY (session, node)
) STRICT, WITHOUT ROWID;
