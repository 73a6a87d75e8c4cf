-- Schema 1. Keys are small integers, ids 16-byte blobs, times milliseconds since the Unix epoch.

-- What the database is: `server_id`, `public_key` (32 bytes), `created_at`; and, if it was adopted, `adopted_length`: how
-- many entries the chain had afterwards, those included that the adoption appended. `recent_creates` says how old creates
-- are (`storage::dedup_window`).
CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value ANY NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE channel (
    key          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    type         TEXT NOT NULL CHECK (type IN ('text', 'announcement', 'forum')),
    topic        TEXT NOT NULL DEFAULT '',
    is_read_only INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

-- Whoever wrote something. Messages refer to the small key.
CREATE TABLE member (
    key     INTEGER PRIMARY KEY,
    user_id BLOB NOT NULL UNIQUE
) STRICT;

-- `key` counts messages in the order in which they were stored: history is read by it, never by time.
CREATE TABLE message (
    key          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL,
    channel      INTEGER NOT NULL REFERENCES channel (key),
    author       INTEGER NOT NULL REFERENCES member (key),
    content      TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    -- The chain entry of its creation; for an adopted message that had none, the entry that covers it.
    entry        INTEGER NOT NULL,
    -- The entry of its latest edit or of its deletion; null if there is none.
    latest_entry INTEGER,
    -- Null as long as it is `created_at`.
    updated_at   INTEGER,
    deleted_at   INTEGER,
    -- JSON; null is `{}`.
    metadata     TEXT
) STRICT;
CREATE UNIQUE INDEX message_id ON message (id);
CREATE INDEX message_channel ON message (channel);

-- What an edited message said before, oldest first from number 0. Emptied when the message is deleted.
CREATE TABLE version (
    message INTEGER NOT NULL REFERENCES message (key),
    number  INTEGER NOT NULL,
    -- The chain entry that covers this content; null for versions of an adopted message that no entry covers.
    entry   INTEGER,
    content TEXT NOT NULL,
    PRIMARY KEY (message, number)
) WITHOUT ROWID, STRICT;

-- The log chain. `prev_hash` is null where it is the hash of the entry before (32 zero bytes for the first), as it
-- always is in what this program wrote; `message_id` is null where `message` names the message.
CREATE TABLE entry (
    idx          INTEGER PRIMARY KEY,
    message      INTEGER,
    timestamp    INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    hash         BLOB NOT NULL,
    signature    BLOB NOT NULL,
    prev_hash    BLOB,
    message_id   BLOB
) STRICT;

-- Messages of an adopted database whose shown chain index and hash are not those of the entry in `message.entry`.
CREATE TABLE adopted_message (
    message     INTEGER PRIMARY KEY REFERENCES message (key),
    chain_index INTEGER NOT NULL,
    chain_hash  BLOB NOT NULL
) STRICT;

-- Creates of the last 24 hours of running by the id that their sender gave them, so that a resent one is not stored again.
CREATE TABLE request (
    client_id BLOB NOT NULL,
    author    INTEGER NOT NULL,
    message   INTEGER NOT NULL,
    PRIMARY KEY (client_id, author, message)
) WITHOUT ROWID, STRICT;

-- Tokens that let an auditor read the full log chain and nothing else. Only their SHA-256 is kept.
CREATE TABLE auditor_token (
    name       TEXT PRIMARY KEY NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    -- Null: it does not expire.
    expires_at INTEGER,
    revoked_at INTEGER
) WITHOUT ROWID, STRICT;

-- The search index: external content over a view, so that the text is stored once and FTS5's own integrity check sees a
-- tampered one. `search_text` is a function that this program registers (`storage::search_text`).
CREATE VIEW searchable (key, text) AS
    SELECT key, search_text(content) FROM message WHERE deleted_at IS NULL;
CREATE VIRTUAL TABLE search USING fts5 (
    text, content = 'searchable', content_rowid = 'key', columnsize = 0,
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* M* So'"
);
-- Deleted words leave the index's pages at once instead of at some later merge.
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
