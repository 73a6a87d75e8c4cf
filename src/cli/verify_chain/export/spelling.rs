//! Whether the lines of an export are, byte for byte, as `coms export` writes what they say. One that is not was written or
//! changed by something else, or by a later version: what it says is checked as far as it is known, and is not all.

use crate::channels::export_format::{ExportLine, write_entry};
use crate::logchain::Entry;

/// The lines that are not as they should be.
#[derive(Default)]
pub(super) struct Spelling {
    count: u64,
    first: u64,
    written: Vec<u8>,
}

impl Spelling {
    /// Looks at line `number`, which was read as `entry`.
    pub(super) fn entry(&mut self, number: u64, line: &[u8], entry: &Entry) {
        self.written.clear();
        write_entry(entry, &mut self.written);
        self.compare(number, line);
    }

    /// Looks at line `number`, which was read as `read`.
    pub(super) fn line(&mut self, number: u64, line: &[u8], read: &ExportLine) {
        self.written.clear();
        // Writing to memory can't fail; if it did, the line would count as another.
        read.write(&mut self.written).ok();
        self.compare(number, line);
    }

    /// What to say of them, if there are any.
    pub(super) fn note(&self) -> Option<String> {
        (self.count > 0).then(|| {
            format!(
                "lines that are not as this version of coms writes them: {}, first line {}. Something changed them since the \
                 export, or a later version wrote them; what this version does not know in them was not checked",
                self.count, self.first
            )
        })
    }

    fn compare(&mut self, number: u64, line: &[u8]) {
        if self.written != line {
            self.count += 1;
            if self.count == 1 {
                self.first = number;
            }
        }
    }
}
