//! Who may do what: the one place that decides it.

use crate::ids::UserId;
use crate::protocol::{Channel, Reason, Refusal};
use crate::storage::Target;

/// What somebody is about to do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed<'a> {
    /// Post in this channel.
    Post(&'a Channel),
    /// Edit or delete this message.
    Change(&'a Target),
}

/// Whether `actor` may do `deed`.
pub(super) fn permit(actor: UserId, deed: Deed<'_>) -> Result<(), Refusal> {
    match deed {
        Deed::Post(channel) if channel.is_read_only => Err(Refusal::new(Reason::ReadOnly)),
        // Whose a message is and whether it was deleted is nobody else's business: both are "not found".
        Deed::Change(target) if target.is_deleted || target.author != actor => {
            Err(Refusal::new(Reason::MessageNotFound))
        }
        Deed::Post(_) | Deed::Change(_) => Ok(()),
    }
}
