//! Runs one simulated Lavalink node until SIGTERM, Ctrl-C or the end of its standard input.

use std::time::Duration;

use clap::Parser;
use proxy_testkit::{SimGeneration, SimNode, stop};

/// A simulated Lavalink node on 127.0.0.1.
#[derive(Parser)]
struct Arguments {
    /// Port; 0 = any. The one taken is printed.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Which Lavalink to be: legacy, 3.7, 4.1 or 4.2.
    #[arg(long, default_value = "4.2")]
    generation: SimGeneration,
    /// Password.
    #[arg(long, default_value = "youshallnotpass")]
    password: String,
    /// Seconds between player updates.
    #[arg(long, default_value_t = 5.0)]
    player_update_interval: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let node = SimNode::builder()
        .generation(arguments.generation)
        .port(arguments.port)
        .password(arguments.password)
        .players_interval(Duration::try_from_secs_f64(arguments.player_update_interval)?)
        .start()
        .await?;
    println!("{} simulates Lavalink {}", node.url(), node.generation().version());
    stop::requested().await
}
