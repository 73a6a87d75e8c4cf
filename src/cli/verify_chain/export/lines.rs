//! The lines of a file that may be anything, read by a thread of its own: a pipe out of which nothing comes holds up nobody
//! else, so that Ctrl-C is heard.

use std::io::{self, BufRead as _, ErrorKind, Read};
use std::thread::Builder;

use tokio::sync::mpsc;

use crate::cli::CliError;

/// A message of 4,000 characters that was edited 50 times, all of them escaped, has about 5 MiB.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

const BLOCK_BYTES: usize = 64 * 1024;

/// Blocks that were read and wait.
const WAITING_BLOCKS: usize = 4;

/// A file, line by line.
pub(super) struct Lines {
    blocks: mpsc::Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    /// How much of `block` was taken.
    taken: usize,
    /// The number of the line, from 1.
    pub(super) number: u64,
    /// The line with its end, which the last one of a file may lack.
    pub(super) line: Vec<u8>,
}

impl Lines {
    /// Begins to read `input`.
    pub(super) fn of(input: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, blocks) = mpsc::channel(WAITING_BLOCKS);
        // Nobody waits for the thread: it may be reading from a pipe for ever.
        Builder::new().name("export".to_owned()).spawn(move || read_blocks(input, &sender))?;
        Ok(Self { blocks, block: Vec::new(), taken: 0, number: 0, line: Vec::new() })
    }

    /// Reads the next line into `line`. False at the end.
    pub(super) async fn advance(&mut self) -> Result<bool, CliError> {
        self.line.clear();
        self.number += 1;
        loop {
            let mut rest = self.block.get(self.taken..).unwrap_or_default();
            self.taken += rest.read_until(b'\n', &mut self.line)?;
            if self.has_end() {
                return Ok(true);
            }
            if self.line.len() > MAX_LINE_BYTES {
                return Err(CliError::failed(format!("line {} is too long to be one of an export", self.number)));
            }
            match self.blocks.recv().await {
                Some(block) => {
                    let failed = |error| CliError::failed(format!("cannot read line {}: {error}", self.number));
                    (self.block, self.taken) = (block.map_err(failed)?, 0);
                }
                None => return Ok(!self.line.is_empty()),
            }
        }
    }

    /// Whether the line is a whole one, and the file does not break off in it.
    pub(super) fn has_end(&self) -> bool {
        self.line.ends_with(b"\n")
    }
}

/// Hands on what is in `input`, until its end, a failure, or until nobody wants more.
fn read_blocks(mut input: impl Read, sender: &mpsc::Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let read = match input.read(&mut block) {
            Ok(0) => return,
            Ok(count) => {
                block.truncate(count);
                Ok(block)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = read.is_err();
        if sender.blocking_send(read).is_err() || is_last {
            return;
        }
    }
}
