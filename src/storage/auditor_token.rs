//! Tokens that let an auditor read the full log chain: their names, hashes and times.

use rusqlite::{ErrorCode, OptionalExtension as _, Row};

use super::database::Database;
use super::error::StorageError;
use super::write::WriteStore;
use crate::printable::Untrusted;
use crate::time::Timestamp;

/// A token, without its text, which nobody has but its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditorTokenRow {
    /// What the operator calls it.
    pub name: Untrusted,
    /// When it was issued.
    pub created_at: Timestamp,
    /// Until when it holds; `None` for ever.
    pub expires_at: Option<Timestamp>,
    /// Since when it does not hold.
    pub revoked_at: Option<Timestamp>,
}

impl AuditorTokenRow {
    /// Whether it holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Database {
    /// All tokens, by name.
    pub fn auditor_tokens(&self) -> Result<Vec<AuditorTokenRow>, StorageError> {
        let mut statement = self
            .connection
            .prepare("SELECT name, created_at, expires_at, revoked_at FROM auditor_token ORDER BY name")?;
        Ok(statement.query_map([], token)?.collect::<Result<_, _>>()?)
    }

    /// The token with this hash.
    pub fn auditor_token(&self, token_hash: [u8; 32]) -> Result<Option<AuditorTokenRow>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name, created_at, expires_at, revoked_at FROM auditor_token WHERE token_hash = ?1",
        )?;
        Ok(statement.query_row([token_hash], token).optional()?)
    }
}

impl WriteStore {
    /// Stores a token under its hash. False if the name is taken.
    pub fn add_auditor_token(&self, token: &AuditorTokenRow, token_hash: [u8; 32]) -> Result<bool, StorageError> {
        let added = self.database.connection.execute(
            "INSERT INTO auditor_token (name, token_hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)",
            (token.name.raw(), token_hash, token.created_at.unix_ms(), token.expires_at.map(Timestamp::unix_ms)),
        );
        match added {
            Ok(_) => Ok(true),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the token of this name useless from `now` on. False if there is none that holds.
    pub fn revoke_auditor_token(&self, name: &str, now: Timestamp) -> Result<bool, StorageError> {
        let revoked = self.database.connection.execute(
            "UPDATE auditor_token SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL",
            (name, now.unix_ms()),
        )?;
        Ok(revoked > 0)
    }
}

fn token(row: &Row<'_>) -> rusqlite::Result<AuditorTokenRow> {
    let time = |column| row.get::<_, Option<u64>>(column).map(|ms| ms.map(Timestamp::from_unix_ms));
    Ok(AuditorTokenRow {
        name: row.get::<_, String>(0)?.into(),
        created_at: time(1)?.unwrap_or_default(),
        expires_at: time(2)?,
        revoked_at: time(3)?,
    })
}
