//! Installs the real parts of the tests and says of each whether it is ready, one line each. Fails when one that can be
//! installed is broken, or missing in CI.

use std::process::ExitCode;

use proxy_testkit::real::setup::Part;

fn main() -> ExitCode {
    let mut failed = false;
    for part in Part::ALL {
        match part.install() {
            Ok(_) => println!("{}: ready", part.name()),
            Err(why) => {
                failed |= why.is_failure();
                println!("{}: skipped because {why}", part.name());
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
