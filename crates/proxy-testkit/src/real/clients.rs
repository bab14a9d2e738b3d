//! The client libraries and one run of a driver.
//!
//! A driver is a small program around one published library (`real/clients/`). It gets a [`DriverInput`] as JSON on its
//! command line, drives the library's own API through a bot's full life, prints one JSON line per step that really
//! happened, and exits with 0 only after the last one. See `real/clients/README.md` for the contract.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Unavailable, process::Supervised, setup::Part, sources};
use crate::voice::VoiceState;

/// No driver may take longer.
pub const RUN_WITHIN: Duration = Duration::from_secs(60);

/// The steps of a full life, in the order in which a driver prints them.
pub const STEPS: [&str; 13] = [
    "connect",
    "ready",
    "load",
    "create",
    "play",
    "position",
    "pause",
    "seek",
    "volume",
    "filter",
    "stop",
    "destroy",
    "disconnect",
];

/// Which Lavalink protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Lavalink 4.
    V4,
    /// Lavalink 4 without `channelId` in the voice state, which Lavalink 4.2 refuses.
    V4WithoutChannel,
    /// Lavalink 3: ops over the WebSocket at `/`.
    V3Ops,
    /// Lavalink 3.7: REST below `/v3`, WebSocket at `/`.
    V3Rest,
}

impl Protocol {
    /// Whether it is some form of v4.
    pub fn is_v4(self) -> bool {
        matches!(self, Self::V4 | Self::V4WithoutChannel)
    }
}

/// A client library with its driver.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Library and version, as the test's output names it.
    pub name: &'static str,
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is installed.
    pub part: Part,
    /// The driver's file within `real/clients`.
    driver: &'static str,
}

/// Every client that the tests drive.
pub const CLIENTS: [Client; 11] = [
    Client {
        name: "shoukaku 4.3.0",
        protocol: Protocol::V4,
        part: Part::JavaScript,
        driver: "js/shoukaku.mjs",
    },
    Client {
        name: "lavalink-client 2.11.0",
        protocol: Protocol::V4,
        part: Part::JavaScript,
        driver: "js/lavalink-client.mjs",
    },
    Client {
        name: "riffy 1.0.12",
        protocol: Protocol::V4,
        part: Part::JavaScript,
        driver: "js/riffy.mjs",
    },
    Client {
        name: "lavalink.py 5.11.1",
        protocol: Protocol::V4,
        part: Part::Python,
        driver: "python/lavalink_py.py",
    },
    Client {
        name: "wavelink 3.5.2",
        protocol: Protocol::V4,
        part: Part::Python,
        driver: "python/wavelink3.py",
    },
    Client {
        name: "disgolink 3.1.0",
        protocol: Protocol::V4,
        part: Part::Go,
        driver: "go",
    },
    Client {
        name: "lavalink-client (JVM) 3.2.0",
        protocol: Protocol::V4WithoutChannel,
        part: Part::Jvm,
        driver: "jvm/Driver.java",
    },
    Client {
        name: "erela.js 2.4.0",
        protocol: Protocol::V3Ops,
        part: Part::JavaScript,
        driver: "js/erela.mjs",
    },
    Client {
        name: "shoukaku 3.4.2",
        protocol: Protocol::V3Ops,
        part: Part::JavaScript,
        driver: "js/shoukaku3.mjs",
    },
    Client {
        name: "riffy 1.0.12 (v3)",
        protocol: Protocol::V3Rest,
        part: Part::JavaScript,
        driver: "js/riffy-v3.mjs",
    },
    Client {
        name: "wavelink 1.3.5",
        protocol: Protocol::V3Ops,
        part: Part::PythonLegacy,
        driver: "python/wavelink1.py",
    },
];

/// The library that plays for the demo. Unlike the others' drivers, its driver prints no steps: when the track has
/// started it prints `{"session": ID}`, and it plays the track over and over until it is ended.
pub const PLAYER: Client = Client {
    name: "shoukaku 4.3.0",
    protocol: Protocol::V4,
    part: Part::JavaScript,
    driver: "js/play.mjs",
};

/// The library that plays in many guilds at once. Its driver prints no steps: `{"session": ID}` when all play, and then
/// a line for whatever the library tells its bot (`{"said": NAME, ...}`) until it is ended.
pub const CROWD: Client = Client {
    name: "shoukaku 4.3.0",
    protocol: Protocol::V4,
    part: Part::JavaScript,
    driver: "js/crowd.mjs",
};

/// The libraries that resume a session by themselves, each with a driver for that alone.
pub const RESUMERS: [Client; 4] = [
    Client {
        name: "shoukaku 4.3.0",
        protocol: Protocol::V4,
        part: Part::JavaScript,
        driver: "js/shoukaku-resume.mjs",
    },
    Client {
        name: "lavalink-client 2.11.0",
        protocol: Protocol::V4,
        part: Part::JavaScript,
        driver: "js/lavalink-client-resume.mjs",
    },
    Client {
        name: "lavalink.py 5.11.1",
        protocol: Protocol::V4,
        part: Part::Python,
        driver: "python/lavalink_py_resume.py",
    },
    Client {
        name: "wavelink 3.5.2",
        protocol: Protocol::V4,
        part: Part::Python,
        driver: "python/wavelink3_resume.py",
    },
];

/// The steps of a life in which the connection is cut, as a driver of [`RESUMERS`] prints them.
pub const RESUMING_STEPS: [&str; 6] = ["connect", "ready", "play", "resumed", "volume", "disconnect"];

/// What a driver is told.
#[derive(Clone, Debug)]
pub struct DriverInput {
    /// Where to connect.
    pub address: SocketAddr,
    /// The password.
    pub password: String,
    /// The bot's user id.
    pub user_id: u64,
    /// The guild to play in.
    pub guild_id: u64,
    /// The track to load: a URL or a path.
    pub identifier: String,
    /// What Discord's gateway would have told the bot.
    pub voice: VoiceState,
    /// More guilds and their voice states, for a driver that plays in many.
    pub others: Vec<(u64, VoiceState)>,
}

impl DriverInput {
    fn to_json(&self) -> Value {
        let others = self.others.iter();
        let others: Vec<_> = others
            .map(|(guild, voice)| json!({"guildId": guild.to_string(), "voice": voice.to_json()}))
            .collect();
        json!({
            "host": self.address.ip().to_string(),
            "port": self.address.port(),
            "password": self.password,
            "userId": self.user_id.to_string(),
            "guildId": self.guild_id.to_string(),
            "identifier": self.identifier,
            "voice": self.voice.to_json(),
            "others": others,
        })
    }
}

/// A driver that went through all steps.
#[derive(Clone, Debug)]
pub struct DriverRun {
    /// The JSON lines, one per step.
    pub steps: Vec<Value>,
    /// How long the whole run took.
    pub took: Duration,
}

impl Client {
    /// The client of a name in [`CLIENTS`].
    pub fn named(name: &str) -> Option<Self> {
        CLIENTS.into_iter().find(|client| client.name == name)
    }

    /// Runs the driver from its start to its end. Blocks; installs the library first if need be.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the library cannot be installed, or the driver fails, hangs or misses a step; what it
    /// printed is in the text.
    pub fn run(&self, input: &DriverInput) -> Result<DriverRun, Unavailable> {
        // Here already, so that it does not count as part of the run.
        self.part.install()?;
        let folder = TempDir::with_prefix("driver-")?;
        let start = Instant::now();
        let mut process = self.start(input, folder.path())?;
        let status = process.wait(RUN_WITHIN)?;
        let took = start.elapsed();
        let log = process.log();
        let steps = steps_of(&log);
        let what = match status {
            None => format!("is still running after {RUN_WITHIN:?}"),
            Some(status) if !status.success() => format!("ended with {status}"),
            Some(_) => match missing_step(&steps) {
                None => return Ok(DriverRun { steps, took }),
                Some(step) => format!("left out {step:?}"),
            },
        };
        Err(Unavailable::Failed(format!(
            "the driver of {} {what}:\n{}",
            self.name,
            process.log_tail()
        )))
    }

    /// The client of a name in [`RESUMERS`].
    pub fn resumer(name: &str) -> Option<Self> {
        RESUMERS.into_iter().find(|client| client.name == name)
    }

    /// Starts the driver in `folder`, where its log goes too. Blocks while it installs the library, if need be.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the library cannot be installed or the driver cannot be started.
    pub fn start(&self, input: &DriverInput, folder: &Path) -> Result<Supervised, Unavailable> {
        let mut command = self.command(&self.part.install()?)?;
        command.arg(input.to_json().to_string()).current_dir(folder);
        Ok(Supervised::spawn(command, &folder.join("driver.log"))?)
    }

    /// The driver's command line without its input.
    fn command(&self, installed: &Path) -> io::Result<Command> {
        let driver = sources().join("clients").join(self.driver);
        let mut command;
        match self.part {
            // Packages are found beside the file that imports them, so the drivers move to the packages.
            Part::JavaScript => {
                copy_modules(&sources().join("clients/js"), installed)?;
                command = Command::new("node");
                command.arg(installed.join(driver.file_name().unwrap_or_default()));
            }
            Part::Python | Part::PythonLegacy => {
                command = Command::new(installed.join("bin/python"));
                command.env("PYTHONDONTWRITEBYTECODE", "1").arg(driver);
            }
            Part::Go => command = Command::new(installed.join("driver")),
            Part::Jvm | Part::LavalinkServer => {
                command = Command::new("java");
                command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-cp"]);
                command.arg(installed.join("*")).arg(driver);
            }
            Part::Lint | Part::Prometheus | Part::FakeTime => {
                return Err(io::Error::other(format!("{} runs no client", self.part.name())));
            }
        }
        Ok(command)
    }
}

fn copy_modules(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let (Some("mjs"), Some(name)) = (path.extension().and_then(|e| e.to_str()), path.file_name()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// The lines of a driver's output that are JSON objects with a `step`.
pub fn steps_of(log: &str) -> Vec<Value> {
    let parsed = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(|value| value["step"].is_string()).collect()
}

/// The first step that is missing or out of order.
fn missing_step(steps: &[Value]) -> Option<&'static str> {
    let mut printed = steps.iter().filter_map(|value| value["step"].as_str());
    STEPS.into_iter().find(|step| printed.next() != Some(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_left_out_or_out_of_order_is_found() {
        let all: Vec<Value> = STEPS.iter().map(|step| json!({ "step": step })).collect();
        assert_eq!(missing_step(&all), None);
        assert_eq!(missing_step(&all[..12]), Some("disconnect"));
        let mut swapped = all.clone();
        swapped.swap(4, 5);
        assert_eq!(missing_step(&swapped), Some("play"));
    }

    #[test]
    fn other_output_of_a_driver_is_no_step() {
        let steps = steps_of("warning: x\n{\"step\":\"connect\"}\n{\"other\":1}\n[1]\n");
        assert_eq!(steps, [json!({ "step": "connect" })]);
    }
}
