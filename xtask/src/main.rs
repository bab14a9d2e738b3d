//! `cargo xtask`: the project's own commands. What needs more than a few lines has a file of its own.
//!
//! Dependencies are few on purpose: this is compiled before anything else on a new machine.

mod bench;
mod child;
mod cost;
mod dashboard;
mod demo;
mod docs;
mod figures;
mod outcome;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};
use workspace::{cargo, run};

const HELP: &str = "\
usage: cargo xtask <command>

  demo [--for 30s] [--real]   start the proxy with simulated nodes and bots (--real: with a real Lavalink server)
  test                        install what the tests need and run all of them
  check                       what has to pass before a commit: format, clippy, generated documents, tests
  dashboard                   build the dashboard (with Node); the next build of the proxy embeds it
  dashboard --load            measure what it costs and how quick it is beside 10,000 connections with traffic
  screenshots                 take the pictures of the dashboard in docs/images
  docs [--check]              write the generated documents (--check: say whether they are up to date)
  bench [options]             measure the proxy beside HAProxy and nginx; options go to `proxy-bench run`
  cost [options]              count the proxy's instructions per request and per message with valgrind;
                              --against REVISION or --without counting: beside another build
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["demo", options @ ..] => demo::demo(options),
        ["test"] => test::test(),
        ["check"] => check(),
        ["dashboard"] => dashboard::build(),
        ["dashboard", "--load"] => dashboard::load(),
        ["screenshots"] => dashboard::screenshots(),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["cost", options @ ..] => cost::cost(options),
        ["bench", options @ ..] => bench::bench(options),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("`{}` is not understood\n\n{HELP}", other.join(" ")),
    }
}

fn check() -> Result<()> {
    run(cargo(["fmt", "--all", "--", "--check"]))?;
    run(cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    docs::check()?;
    test::test()
}
