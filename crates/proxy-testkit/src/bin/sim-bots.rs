//! Runs simulated bots against a Lavalink address until SIGTERM, Ctrl-C or the end of their standard input.

use std::time::Duration;

use clap::Parser;
use futures_util::future::join_all;
use proxy_testkit::{
    SimGeneration,
    bots::{Bot, BotOptions},
    client::Protocol,
    stop,
};

/// Simulated bots with quiet traffic.
#[derive(Parser)]
struct Arguments {
    /// Address, e.g. `http://127.0.0.1:2333`.
    #[arg(long)]
    url: String,
    /// Password.
    #[arg(long, default_value = "youshallnotpass")]
    password: String,
    /// Number of bots.
    #[arg(long, default_value_t = 3)]
    bots: u64,
    /// What they speak: legacy (v3 ops), 3.7 (v3 REST), 4.1 or 4.2 (v4).
    #[arg(long, default_value = "4.2")]
    generation: SimGeneration,
    /// User id of the first bot.
    #[arg(long, default_value_t = 1000)]
    first_user_id: u64,
    /// Players of each bot.
    #[arg(long, default_value_t = 3)]
    players: usize,
    /// Seconds between two actions of a bot.
    #[arg(long, default_value_t = 2.0)]
    pace: f64,
    /// What to play (repeatable); default: tracks that simulated nodes know.
    #[arg(long = "track")]
    tracks: Vec<String>,
    /// Discord voice server to name, `host:port`; needed for real nodes only.
    #[arg(long)]
    voice_endpoint: Option<String>,
}

impl Arguments {
    fn bot(&self, index: u64) -> anyhow::Result<BotOptions> {
        let protocol = match self.generation {
            SimGeneration::Legacy => Protocol::V3Ops,
            SimGeneration::V3_7 => Protocol::V3Rest,
            SimGeneration::V4_1 | SimGeneration::V4_2 => Protocol::V4,
        };
        let mut options = BotOptions::new(&self.url, &self.password, self.first_user_id + index, protocol);
        options.players = self.players;
        options.pace = Duration::try_from_secs_f64(self.pace)?;
        options.voice_endpoint.clone_from(&self.voice_endpoint);
        if !self.tracks.is_empty() {
            options.identifiers.clone_from(&self.tracks);
        }
        Ok(options)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = (0..arguments.bots)
        .map(|index| arguments.bot(index))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let bots: Vec<Bot> = options.into_iter().map(Bot::start).collect();
    stop::requested().await?;
    join_all(bots.into_iter().map(Bot::stop)).await;
    Ok(())
}
