//! `cargo xtask demo --real`: a published client library plays a file on a real Lavalink server through the proxy, and
//! the answers to `GET player` are printed as they come. Discord is the fake voice server.
//!
//! Everything listens on loopback and ends with this process; all files are in one folder that goes with it.

mod bot;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use proxy_testkit::{
    certs::TestCa,
    client::Rest,
    real::{
        AudioServer, DriverInput, LavalinkServer, ProxyProcess, ServerOptions, Unavailable,
        lavalink::CLASS_PATH_VARIABLE,
        proxy::{ADMIN_PASSWORD, Node},
        sine_wav,
    },
    stop,
    voice::FakeVoice,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval},
};

use bot::Bot;

/// What the proxy expects of clients.
const PASSWORD: &str = "youshallnotpass";
/// What the node expects of the proxy; different, so that it shows which one is used where.
const NODE_PASSWORD: &str = "node-password";
const USER: u64 = 170_000_000_000_000_005;
const GUILD: u64 = 170_000_000_000_000_006;
/// The track begins again when it is over.
const TRACK: Duration = Duration::from_secs(180);
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The proxy in front of a real Lavalink server, with a real client library that plays.
#[derive(Parser)]
struct Arguments {
    /// The proxy program.
    #[arg(long)]
    proxy: PathBuf,
    /// How long to play, e.g. `30s` or `2m`; until Ctrl-C, SIGTERM or the end of standard input if not given.
    #[arg(long = "for", value_parser = duration)]
    time: Option<Duration>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let folder = TempDir::with_prefix("real-demo-")?;
    if tempfile::env::override_temp_dir(folder.path()).is_err() {
        bail!("the folder for temporary files is set already");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = demo(arguments, folder.path().to_owned()) => result,
            stopped = stop::requested() => stopped,
        }
    });
    // A start or an installation that is still under way is not waited for: its child ends with this process.
    runtime.shutdown_background();
    result
}

async fn demo(arguments: Arguments, folder: PathBuf) -> anyhow::Result<()> {
    let ca = TestCa::new()?;
    let voice = FakeVoice::start(&ca).await?;
    let audio = AudioServer::start(sine_wav(TRACK, 440)).await?;
    println!("The Lavalink server starts; the first time it is installed before.");
    let server = start_server(ca.ca_pem()).await?;
    println!("Lavalink {} is the node, at {}.", server.version(), server.address());
    let mut proxy = start_proxy(arguments.proxy, server.address()).await?;
    introduce(&proxy, &folder);

    let input = DriverInput {
        address: proxy.address(),
        password: PASSWORD.to_owned(),
        user_id: USER,
        guild_id: GUILD,
        identifier: audio.url(),
        voice: voice.voice_state(GUILD),
        others: Vec::new(),
    };
    let mut bot = Bot::start(input, folder).await?;
    println!("{} plays {}. Ctrl-C ends it.", bot.name(), audio.url());
    watch(&mut bot, &mut proxy, &voice, arguments.time).await
}

async fn start_server(voice_ca: String) -> anyhow::Result<LavalinkServer> {
    let start = move || {
        LavalinkServer::start(&ServerOptions {
            password: NODE_PASSWORD,
            voice_ca: &voice_ca,
        })
    };
    spawn_blocking(start).await?.map_err(|why| {
        let advice = match why {
            Unavailable::Failed(_) => String::new(),
            Unavailable::Tool(_) | Unavailable::Registry(_) => format!(
                "\nThe demo needs Java, and Maven to fetch the server. A server that is there already is used without Maven: \
                 set {CLASS_PATH_VARIABLE} to its Java class path, which is its jar or `classes:lib/*`.\n\
                 `cargo xtask demo` needs neither: its nodes are simulated."
            ),
        };
        anyhow::anyhow!("there is no Lavalink server: {why}{advice}")
    })
}

async fn start_proxy(program: PathBuf, node: SocketAddr) -> anyhow::Result<ProxyProcess> {
    let start = move || {
        let node = Node {
            name: "real",
            address: node,
            password: NODE_PASSWORD,
            version: 4,
        };
        ProxyProcess::start(&program, PASSWORD, &[node], "")
    };
    Ok(spawn_blocking(start).await??)
}

fn introduce(proxy: &ProxyProcess, folder: &Path) {
    let (address, admin) = (proxy.address(), proxy.admin());
    println!();
    println!("  URL             http://{address}   (v4 clients)");
    println!("  password        {PASSWORD}");
    println!("  admin URL       http://{admin}   (for example /api/v1/overview, /metrics)");
    println!("  admin user      admin");
    println!("  admin password  {ADMIN_PASSWORD}");
    println!("  logs            {}   (until the end)", folder.display());
    println!();
    println!("  curl -u admin:{ADMIN_PASSWORD} http://{admin}/api/v1/sessions");
    println!("  curl -H 'Authorization: {PASSWORD}' http://{address}/v4/info");
    println!();
}

/// Prints what `GET player` says and what the voice server hears, until the time is over.
async fn watch(
    bot: &mut Bot,
    proxy: &mut ProxyProcess,
    voice: &FakeVoice,
    time: Option<Duration>,
) -> anyhow::Result<()> {
    let rest = Rest::to(&format!("http://{}", proxy.address()), Some(PASSWORD))?;
    let end = time.map(|time| Instant::now() + time);
    let mut ticks = interval(REPORT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = voice.packet_count(GUILD);
    while end.is_none_or(|end| Instant::now() < end) {
        ticks.tick().await;
        bot.still_runs()?;
        let player = format!("/v4/sessions/{}/players/{GUILD}", bot.session());
        let answer = match rest.get(&player).await {
            Ok(answer) => answer,
            Err(error) => return Err(error.context(format!("the proxy:\n{}", proxy.process().log_tail()))),
        };
        let packets = voice.packet_count(GUILD);
        let heard = format!("RTP packets {packets} (+{})", packets - before);
        before = packets;
        if answer.status != 200 {
            println!("GET player: {} {}   {heard}", answer.status, answer.text());
            continue;
        }
        let player = answer.json();
        println!("{}   {heard}", state_line(&player["state"]));
        bot.play_again(&player).await?;
    }
    Ok(())
}

fn state_line(state: &Value) -> String {
    let seconds = state["position"].as_f64().unwrap_or_default() / 1000.0;
    format!(
        "position {seconds:7.3} s   connected {}   ping {} ms",
        state["connected"], state["ping"]
    )
}

/// Reads `30s` or `2m`.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let (number, factor) = match text.strip_suffix('m') {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s').context("expected a time such as 30s")?, 1),
    };
    let seconds = number.parse::<u64>()?.checked_mul(factor).context("too long")?;
    Ok(Duration::from_secs(seconds))
}
