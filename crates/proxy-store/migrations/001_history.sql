-- Usage: sums and peaks by level (0: 10 s, 1: minutes, 2: hours, 3: days), bucket (its start, Unix seconds), scope and
-- key. The bucket comes before the key, so that a flush writes side by side and not all over the file.
CREATE TABLE usage (
    level INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    key TEXT NOT NULL,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    messages_in INTEGER NOT NULL,
    messages_out INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    ok INTEGER NOT NULL,
    client_error INTEGER NOT NULL,
    server_error INTEGER NOT NULL,
    connections_opened INTEGER NOT NULL,
    connections INTEGER NOT NULL,
    sessions INTEGER NOT NULL,
    players INTEGER NOT NULL,
    max_rate_in INTEGER NOT NULL,
    max_rate_out INTEGER NOT NULL,
    PRIMARY KEY (level, bucket, scope, key)
) STRICT, WITHOUT ROWID;

-- Up to where each level has been made from the one below it, and from where on its rows are still kept.
CREATE TABLE usage_level (
    level INTEGER PRIMARY KEY,
    watermark INTEGER NOT NULL,
    floor INTEGER NOT NULL
) STRICT;
INSERT INTO usage_level VALUES (0, 9223372036854775807, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0);

-- When the proxy ran: a row per start, moved along with every flush. Times are Unix milliseconds from here on.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    started INTEGER NOT NULL,
    seen INTEGER NOT NULL
) STRICT;

CREATE TABLE node_change (
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    at INTEGER NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    why TEXT NOT NULL
) STRICT;
CREATE INDEX node_change_by_node ON node_change (node, at);
CREATE INDEX node_change_by_time ON node_change (at);

CREATE TABLE probe (
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    at INTEGER NOT NULL,
    latency_us INTEGER,
    failure TEXT
) STRICT;
CREATE INDEX probe_by_node ON probe (node, at);
CREATE INDEX probe_by_time ON probe (at);

CREATE TABLE probe_minute (
    at INTEGER NOT NULL,
    node TEXT NOT NULL,
    ok INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    latency_sum_us INTEGER NOT NULL,
    latency_min_us INTEGER,
    latency_max_us INTEGER,
    PRIMARY KEY (node, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX probe_minute_by_time ON probe_minute (at);

CREATE TABLE connection (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL,
    ip TEXT NOT NULL,
    port INTEGER NOT NULL,
    tls INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    version TEXT,
    session TEXT,
    user TEXT,
    client TEXT,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    messages_in INTEGER NOT NULL,
    messages_out INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    ok INTEGER NOT NULL,
    client_error INTEGER NOT NULL,
    server_error INTEGER NOT NULL,
    ended TEXT NOT NULL
) STRICT;
CREATE INDEX connection_by_time ON connection (closed);
CREATE INDEX connection_by_ip ON connection (ip, id);
CREATE INDEX connection_by_tenant ON connection (tenant, id);
