//! What outlives the process: usage history, the history of nodes and connections, alerts and API tokens, in one SQLite
//! file.
