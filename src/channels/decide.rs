//! Deciding on an action: what is to be stored for it, or why nothing is.

use super::directory::Directory;
use super::policy::{Deed, permit};
use crate::ids::{MessageId, UserId};
use crate::logchain::ContentHash;
use crate::protocol::{Action, Create, Delete, Edit, Reason, Refusal};
use crate::storage::{Batch, Change, DELETED_CONTENT, Database, StorageError, Stored, Target};

/// How often a message can be edited.
const MAX_EDITS: u32 = 50;

/// What becomes of an action.
pub(super) enum Decision {
    /// It is to be stored, with an entry for this message and content.
    Store { change: Change, message_id: MessageId, content_hash: ContentHash },
    /// It was stored before, and is answered as it was then.
    StoredBefore(Stored),
    /// It is not carried out.
    Refused(Refusal),
}

/// Decides on `action` of `user_id`, by what is stored when the writer's `batch` comes to it. `new_id` makes the id of a
/// new message.
pub(super) fn decide(
    batch: &mut Batch<'_>,
    directory: &Directory,
    user_id: UserId,
    action: Action,
    new_id: impl FnOnce() -> MessageId,
) -> Result<Decision, StorageError> {
    let decided = match action {
        Action::Create(create) => decide_create(batch, directory, user_id, create, new_id)?,
        Action::Edit(edit) => decide_edit(batch.database(), directory, user_id, edit)?,
        Action::Delete(delete) => decide_delete(batch.database(), directory, user_id, delete)?,
    };
    Ok(decided.unwrap_or_else(Decision::Refused))
}

/// A decision, or the refusal; the outer error is the database's.
type Decided = Result<Result<Decision, Refusal>, StorageError>;

fn decide_create(
    batch: &mut Batch<'_>,
    directory: &Directory,
    user_id: UserId,
    create: Create,
    new_id: impl FnOnce() -> MessageId,
) -> Decided {
    let Create { channel_id, content, client_id } = create;
    let Some((key, channel)) = directory.find(channel_id.as_str()) else {
        return Ok(Err(Refusal::channel_not_found(channel_id.as_str())));
    };
    if let Err(refusal) = permit(user_id, Deed::Post(channel)) {
        return Ok(Err(refusal));
    }
    let content_hash = ContentHash::of(&content);
    if let Some(client_id) = client_id
        && let Some(stored) = batch.earlier_create(client_id, user_id, key, content_hash.0)?
    {
        return Ok(Ok(Decision::StoredBefore(stored)));
    }
    let message_id = new_id();
    let change = Change::Created { message_id, channel: key, user_id, content, client_id };
    Ok(Ok(Decision::Store { change, message_id, content_hash }))
}

fn decide_edit(database: &Database, directory: &Directory, user_id: UserId, edit: Edit) -> Decided {
    let Edit { message_id, content } = edit;
    let target = match changeable(database, directory, user_id, message_id)? {
        Ok(target) => target,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if target.versions >= MAX_EDITS {
        return Ok(Err(Refusal::new(Reason::TooManyEdits)));
    }
    let content_hash = ContentHash::of(&content);
    let change = Change::Edited { message: target.key, content };
    Ok(Ok(Decision::Store { change, message_id, content_hash }))
}

fn decide_delete(database: &Database, directory: &Directory, user_id: UserId, delete: Delete) -> Decided {
    let Delete { message_id } = delete;
    let target = match changeable(database, directory, user_id, message_id)? {
        Ok(target) => target,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let content_hash = ContentHash::of(DELETED_CONTENT);
    let change = Change::Deleted { message: target.key };
    Ok(Ok(Decision::Store { change, message_id, content_hash }))
}

fn changeable(
    database: &Database,
    directory: &Directory,
    user_id: UserId,
    message_id: MessageId,
) -> Result<Result<Target, Refusal>, StorageError> {
    let target = database.target(message_id)?.filter(|target| directory.shows(target.channel));
    Ok(match target {
        Some(target) => permit(user_id, Deed::Change(&target)).map(|()| target),
        None => Err(Refusal::new(Reason::MessageNotFound)),
    })
}
