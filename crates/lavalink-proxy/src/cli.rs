//! The command line: what to do, and with which configuration. Running the proxy is `main.rs`'s business; everything else
//! is done here.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use proxy_core::secret::Secret;
use proxy_core::tenant::MAX_PASSWORD;

use crate::config::{self, Config, docs};
use crate::probe;

/// `EX_USAGE` of sysexits.h: the command line is wrong, or there is nothing to run with.
const USAGE: u8 = 64;
/// `EX_CONFIG` of sysexits.h: the configuration is wrong.
const CONFIG: u8 = 78;

/// The file that is used when none is named.
const DEFAULT_FILE: &str = "lavalink-proxy.toml";

/// One address in front of every Lavalink node you run.
#[derive(Debug, Parser)]
#[command(name = "lavalink-proxy", version, subcommand_negates_reqs = true)]
struct Cli {
    #[command(flatten)]
    source: Source,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Source {
    /// The configuration file; default: $LAVALINK_PROXY_CONFIG, or lavalink-proxy.toml if it is there, or the
    /// environment alone
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy (the default)
    Run,
    /// Say everything that is wrong with a configuration; exit code 78 if something is
    Check {
        /// The configuration file
        file: Option<PathBuf>,
    },
    /// Print the JSON schema of the configuration file
    Schema,
    /// Read a password from standard input and print its hash, for [admin] password
    HashPassword,
    /// Ask a running proxy whether it is ready; exit code 1 if it is not
    Probe {
        /// The admin listener; default: as configured
        #[arg(long, value_name = "ADDRESS:PORT")]
        address: Option<std::net::SocketAddr>,
        /// Ask only whether the process is alive (/healthz), not whether a node is up (/readyz)
        #[arg(long)]
        live: bool,
    },
    /// Print a generated document
    #[command(hide = true)]
    Generate {
        /// Which one
        document: Document,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    /// docs/reference/config.md
    Reference,
    /// lavalink-proxy.example.toml
    Example,
    /// docs/reference/openapi.json
    Openapi,
}

/// What the command line asked for.
pub(crate) enum Request {
    /// Run the proxy with these settings, from the file that was named.
    Run(Box<Config>, Option<PathBuf>),
    /// It has been dealt with; end with this code.
    Done(ExitCode),
}

/// Reads the command line and does what it asks, except for running the proxy.
pub(crate) fn request() -> Request {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing fails only when nobody reads.
            let _ = error.print();
            return Request::Done(if error.use_stderr() {
                USAGE.into()
            } else {
                ExitCode::SUCCESS
            });
        }
    };
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => match settings(cli.source.config.as_deref()) {
            Ok(config) => Request::Run(Box::new(config), cli.source.config),
            Err(code) => Request::Done(code),
        },
        Command::Check { file } => Request::Done(check(file.or(cli.source.config).as_deref())),
        Command::Schema => Request::Done(print(&docs::schema_text())),
        Command::HashPassword => Request::Done(hash_password()),
        Command::Probe { address, live } => Request::Done(ask(address, live, cli.source.config.as_deref())),
        Command::Generate { document } => Request::Done(generate(document)),
    }
}

/// Loads the configuration from where the command line, the environment or the folder says it is; on a mistake prints
/// what is wrong and returns the exit code.
fn settings(named: Option<&Path>) -> Result<Config, ExitCode> {
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let from_environment = std::env::var_os("LAVALINK_PROXY_CONFIG").filter(|path| !path.is_empty());
    let file = named.map(Path::to_owned).or(from_environment.map(PathBuf::from));
    let file = file.or_else(|| Path::new(DEFAULT_FILE).exists().then(|| DEFAULT_FILE.into()));
    if file.is_none() {
        add_dotenv(&mut variables);
        if !config::environment_suffices(&variables) {
            eprint!("{}", docs::first_steps());
            return Err(USAGE.into());
        }
    }
    config::load(file.as_deref(), variables.into_iter()).map_err(|errors| {
        eprintln!("{errors}");
        CONFIG.into()
    })
}

/// A `.env` file in the working directory fills in what the environment does not say.
fn add_dotenv(variables: &mut Vec<(String, String)>) {
    let Ok(text) = std::fs::read_to_string(".env") else {
        return;
    };
    for (name, value) in config::dotenv(&text) {
        if !variables.iter().any(|(known, _)| *known == name) {
            variables.push((name, value));
        }
    }
}

fn check(file: Option<&Path>) -> ExitCode {
    match settings(file) {
        Ok(config) => {
            for warning in &config.warnings {
                eprintln!("warning: {warning}");
            }
            let (tenants, nodes) = (config.tenants.len(), config.nodes.len());
            print(&format!(
                "ok: {tenants} tenant(s), {nodes} node(s), {} warning(s)\n",
                config.warnings.len()
            ))
        }
        Err(code) => code,
    }
}

/// The password is not taken from the command line: other users of the machine can read that.
fn hash_password() -> ExitCode {
    let mut line = String::new();
    if std::io::stdin().is_terminal() {
        eprint!("password: ");
    }
    let read = std::io::stdin().read_line(&mut line);
    let password = Secret::new(line.trim_end_matches(['\r', '\n']));
    let hashed = match read {
        Ok(_) if password.is_empty() => Err("expected a password on standard input, got nothing".to_owned()),
        Ok(_) if password.expose().len() > MAX_PASSWORD => Err(format!("expected at most {MAX_PASSWORD} bytes")),
        Ok(_) => proxy_admin::hash_password(&password).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match hashed {
        Ok(hash) => print(&format!("{}\n", hash.expose())),
        Err(problem) => {
            eprintln!("{problem}");
            USAGE.into()
        }
    }
}

fn generate(document: Document) -> ExitCode {
    match document {
        Document::Reference => print(&docs::markdown()),
        Document::Example => print(&docs::example()),
        Document::Openapi => match proxy_admin::openapi().to_pretty_json() {
            Ok(text) => print(&(text + "\n")),
            Err(error) => {
                eprintln!("the document cannot be written: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

fn ask(address: Option<std::net::SocketAddr>, live: bool, config: Option<&Path>) -> ExitCode {
    let address = match address {
        Some(address) => address,
        None => match settings(config) {
            Ok(config) => config.admin.bind,
            Err(code) => return code,
        },
    };
    match probe::probe(address, if live { "/healthz" } else { "/readyz" }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints to standard output; a reader that went away, such as `head`, is no failure.
fn print(text: &str) -> ExitCode {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
