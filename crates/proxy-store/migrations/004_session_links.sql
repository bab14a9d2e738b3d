-- A session is one row with its links, so that each of its changes is one statement that touches one page. `links` is a JSON
-- object: the id that each node gave, by the node's name.
ALTER TABLE session ADD COLUMN links TEXT NOT NULL DEFAULT '{}';
UPDATE session SET links =
    (SELECT json_group_object(node, node_session) FROM link WHERE link.session = session.id);
DROP TABLE link;
