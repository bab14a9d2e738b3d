//! `cargo xtask test`: installs what the tests need, runs all of them, and says what was skipped and why.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::dashboard;
use crate::outcome::{Line, Outcome};
use crate::workspace::{build, cargo, has_program, program, run, target};

/// Runs every test of the workspace.
pub(crate) fn test() -> Result<()> {
    // First, since it is embedded in what is compiled next.
    dashboard::build_if_possible()?;
    let setup = install()?;
    let mut outcome = Outcome::default();
    let ran = run_tests(&mut outcome)?;
    dashboard::test(&mut outcome)?;
    report(&outcome);
    setup?;
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    if outcome.failed > 0 {
        bail!("tests failed");
    }
    if !ran {
        bail!("a test program could not be built, or ended before its tests did");
    }
    if ci && outcome.avoidable().next().is_some() {
        bail!("in CI no test may be skipped for something that can be installed");
    }
    Ok(())
}

/// Installs the real parts (Lavalink, client libraries) while the tests are being compiled. The inner result is that of
/// the installation: the tests run all the same, and skip or fail on what is missing.
fn install() -> Result<Result<()>> {
    if !has_program("proxy-testkit", "real-setup") {
        return Ok(Ok(()));
    }
    build(&["real-setup"])?;
    let mut setup = std::process::Command::new(program("debug", "real-setup"))
        .spawn()
        .context("real-setup cannot be started")?;
    let compiled = run(cargo(["test", "--workspace", "--no-run"]));
    let status = setup.wait()?;
    compiled?;
    Ok(if status.success() {
        Ok(())
    } else {
        Err(anyhow::anyhow!("installing the real parts failed ({status})"))
    })
}

/// Runs the tests and shows their output as it comes, except what passing tests printed; all of it is in a file.
/// Returns whether cargo was content.
fn run_tests(outcome: &mut Outcome) -> Result<bool> {
    let log_path = target().join("test-output.log");
    let mut log = File::create(&log_path).with_context(|| format!("{} cannot be written", log_path.display()))?;
    let mut command = cargo(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    eprintln!(
        "$ cargo test --workspace --no-fail-fast (everything the tests print: {})",
        log_path.display()
    );
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("the output was asked for")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(&line);
        writeln!(log, "{text}")?;
        if outcome.line(&text) == Line::Show {
            println!("{text}");
        }
    }
    Ok(child.wait()?.success())
}

fn report(outcome: &Outcome) {
    println!();
    for reason in &outcome.reasons {
        println!("skipped {reason}");
    }
    for failure in &outcome.failures {
        println!("failed {failure}");
    }
    println!("{}", outcome.summary());
}
