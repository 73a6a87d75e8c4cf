//! Events that come while what was said before is still being fetched. They wait, but not without limit: a server that never
//! answers, or a very busy one, must not fill the memory. What does not fit is given up and fetched with a `sync`.

/// How much may wait, in bytes of text. Thousands of messages; more come sooner in pages.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Frames that wait, as they came: their text takes no more memory than was sent.
#[derive(Debug, Default)]
pub(super) struct Held {
    frames: Vec<String>,
    bytes: usize,
    /// Whether some had to be given up.
    is_incomplete: bool,
}

impl Held {
    /// Keeps `frame`, or gives up all of them if that is too much.
    pub(super) fn push(&mut self, frame: &str) {
        self.bytes += frame.len();
        self.is_incomplete = self.is_incomplete || self.bytes > MAX_BYTES;
        if self.is_incomplete {
            self.frames = Vec::new();
        } else {
            self.frames.push(frame.to_owned());
        }
    }

    /// Begins anew: what came before is not needed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes all that waits; `None` if some were given up.
    pub(super) fn take(&mut self) -> Option<Vec<String>> {
        let held = std::mem::take(self);
        (!held.is_incomplete).then_some(held.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_all_there_or_given_up() {
        let mut held = Held::default();
        let frame = "x".repeat(MAX_BYTES / 4);
        for _ in 0..4 {
            held.push(&frame);
        }
        assert_eq!(held.take().map(|frames| frames.len()), Some(4));
        for _ in 0..9 {
            held.push(&frame);
            assert!(held.frames.len() <= 4, "too many wait");
        }
        assert_eq!((held.frames.len(), held.take()), (0, None));
        held.push("y");
        assert_eq!(held.take(), Some(vec!["y".to_owned()]));
    }
}
