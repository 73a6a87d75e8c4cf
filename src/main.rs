//! The `coms` program: reads its arguments, runs one command, and turns what came of it into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    coms::cli::main()
}
