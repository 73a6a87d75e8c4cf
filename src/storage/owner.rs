//! Whose a database is: the server and the key that signs its chain.

use rusqlite::OptionalExtension as _;

use super::database::Database;
use super::error::StorageError;
use super::write::WriteStore;
use crate::ids::ServerId;
use crate::keys::PublicKey;
use crate::time::Timestamp;

impl WriteStore {
    /// Makes an empty database this server's; refuses one that is another's, or whose chain another key signs: an entry
    /// of ours would break it.
    pub fn claim(&mut self, server_id: &ServerId, key: &PublicKey, now: Timestamp) -> Result<(), StorageError> {
        let path = self.database().path().to_owned();
        let owner: Option<String> = self.database().meta("server_id")?;
        let signer: Option<[u8; 32]> = self.database().meta("public_key")?;
        match (owner, signer) {
            (Some(owner), _) if !server_id.is(&owner) => Err(StorageError::OtherServer { path, owner }),
            (_, Some(signer)) if signer != *key.as_bytes() => {
                Err(StorageError::OtherKey { path, key: hex::encode(signer) })
            }
            (Some(_), Some(_)) => Ok(()),
            _ => {
                self.begin()?;
                self.set_meta("server_id", server_id.as_str())?;
                self.set_meta("public_key", key.as_bytes())?;
                self.set_meta("created_at", now.unix_ms())?;
                self.commit()
            }
        }
    }

    pub(super) fn set_meta(&self, name: &str, value: impl rusqlite::ToSql) -> Result<(), StorageError> {
        let connection = &self.database().connection;
        connection
            .prepare_cached(
                "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
            )?
            .execute((name, value))?;
        Ok(())
    }
}

impl Database {
    pub(super) fn meta<T: rusqlite::types::FromSql>(&self, name: &str) -> Result<Option<T>, StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    #[test]
    fn a_database_stays_with_its_server_and_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = WriteStore::at(&folder.path().join("m.db"));
        let mine: ServerId = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse().expect("a UUID");
        let other: ServerId = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95f".parse().expect("a UUID");
        let (key, other_key) = (SigningKey::from_seed(&[1; 32]).public(), SigningKey::from_seed(&[2; 32]).public());
        let now = Timestamp::from_unix_ms(1);
        store.claim(&mine, &key, now).expect("it is nobody's");
        store.claim(&mine, &key, now).expect("it is ours");
        assert!(matches!(store.claim(&other, &key, now), Err(StorageError::OtherServer { .. })));
        assert!(matches!(store.claim(&mine, &other_key, now), Err(StorageError::OtherKey { .. })));
    }
}
