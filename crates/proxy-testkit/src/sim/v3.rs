//! The v3 ops: what a client sends over the WebSocket of a legacy or 3.7 node. A v4 node drops all of it.

use std::time::Instant;

use serde_json::{Map, Value};

use super::{
    Node, SimGeneration, filters,
    messages::EndReason,
    player::{Loaded, SimVoice},
    session::Session,
    track::SimTrack,
    update::lenient_int,
};

/// An op that could not be carried out: 3.7 closes the socket with 1011, legacy only logs it.
#[derive(Debug)]
pub(crate) struct OpFailed;

type Outcome = Result<(), OpFailed>;

/// Carries out a client's text message.
///
/// # Errors
/// When the node would close the socket for it.
pub(crate) fn handle(node: &Node, id: &str, text: &str) -> Outcome {
    if node.settings.generation.is_v4() {
        return Ok(());
    }
    let mut state = node.state();
    let Some(session) = state.sessions.get_mut(id) else {
        return Ok(());
    };
    let outcome = run(node, session, text);
    if node.settings.generation == SimGeneration::Legacy {
        Ok(())
    } else {
        outcome
    }
}

fn run(node: &Node, session: &mut Session, text: &str) -> Outcome {
    let message: Map<String, Value> = serde_json::from_str(text).map_err(|_| OpFailed)?;
    let op = Op {
        node,
        fields: &message,
        now: Instant::now(),
    };
    match message.get("op").and_then(Value::as_str).ok_or(OpFailed)? {
        "configureResuming" => op.configure_resuming(session),
        "destroy" => op.guild(true).map(|guild| session.destroy(guild, op.now)),
        "voiceUpdate" => op.voice_update(session),
        "play" => op.play(session),
        "stop" => op
            .player(session)
            .map(|guild| session.end_track(guild, EndReason::Stopped, op.now)),
        "pause" => op.pause(session),
        "seek" => op.seek(session),
        "volume" => op.volume(session),
        "filters" => op.filters(session),
        "equalizer" => op.equalizer(session),
        // Unknown ops and those of plugins are logged only.
        _ => Ok(()),
    }
}

/// One op with its fields.
struct Op<'a> {
    node: &'a Node,
    fields: &'a Map<String, Value>,
    now: Instant,
}

impl Op<'_> {
    /// The guild id. Legacy reads a number only in some ops (`number_allowed`).
    fn guild(&self, number_allowed: bool) -> Result<i64, OpFailed> {
        let value = self.fields.get("guildId").ok_or(OpFailed)?;
        if value.is_number() && !number_allowed && self.node.settings.generation == SimGeneration::Legacy {
            return Err(OpFailed);
        }
        lenient_int(value).ok_or(OpFailed)
    }

    /// The guild of an op that makes the player if it is missing.
    fn player(&self, session: &mut Session) -> Result<i64, OpFailed> {
        let guild = self.guild(false)?;
        session.player(guild, self.now);
        Ok(guild)
    }

    fn int(&self, name: &str) -> Result<Option<i64>, OpFailed> {
        let value = self.fields.get(name).filter(|value| !value.is_null());
        value.map(|value| lenient_int(value).ok_or(OpFailed)).transpose()
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, OpFailed> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) => text.to_ascii_lowercase().parse().map(Some).map_err(|_| OpFailed),
            Some(_) => Err(OpFailed),
        }
    }

    fn text(&self, name: &str) -> Result<&str, OpFailed> {
        self.fields.get(name).and_then(Value::as_str).ok_or(OpFailed)
    }

    fn configure_resuming(&self, session: &mut Session) -> Outcome {
        session.resume_key = self.fields.get("key").and_then(Value::as_str).map(str::to_owned);
        session.timeout = self.int("timeout")?.unwrap_or(session.timeout);
        Ok(())
    }

    /// Always a new voice connection, even with the same data.
    fn voice_update(&self, session: &mut Session) -> Outcome {
        let guild = self.guild(true)?;
        let event = self.fields.get("event").and_then(Value::as_object).ok_or(OpFailed)?;
        let voice = SimVoice {
            token: event.get("token").and_then(Value::as_str).ok_or(OpFailed)?.to_owned(),
            endpoint: event
                .get("endpoint")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            session_id: self.text("sessionId")?.to_owned(),
            channel_id: None,
        };
        session.connect_voice(guild, voice, true, self.now);
        Ok(())
    }

    fn play(&self, session: &mut Session) -> Outcome {
        let guild = self.player(session)?;
        let loaded = session.player(guild, self.now).track.is_some();
        if loaded && self.flag("noReplace")?.unwrap_or(false) {
            return Ok(());
        }
        let track = SimTrack::decode(self.text("track")?, self.node.settings.generation).map_err(|_| OpFailed)?;
        let (start, end, volume) = (self.int("startTime")?, self.int("endTime")?, self.int("volume")?);
        let pause = self.flag("pause")?.unwrap_or(false);
        let player = session.player(guild, self.now);
        player.change(self.now, |player| player.paused = pause);
        if let Some(volume) = volume {
            player.volume = volume.clamp(0, 1000);
        }
        let fails = super::load::fails_on_start(&track);
        session.play(guild, Loaded::new(track, start, None), self.now);
        if let Some(end) = end.filter(|end| *end > 0) {
            session.player(guild, self.now).set_end_time(self.now, Some(end));
        }
        if fails {
            session.fail_track(guild, ("This track cannot be played", "common"), self.now);
        }
        Ok(())
    }

    fn pause(&self, session: &mut Session) -> Outcome {
        let guild = self.player(session)?;
        let pause = self.flag("pause")?.ok_or(OpFailed)?;
        session
            .player(guild, self.now)
            .change(self.now, |player| player.paused = pause);
        session.send_update(guild, self.now);
        Ok(())
    }

    fn seek(&self, session: &mut Session) -> Outcome {
        let guild = self.player(session)?;
        let position = self.int("position")?.ok_or(OpFailed)?;
        let player = session.player(guild, self.now);
        if player.track.is_some() {
            player.seek(self.now, position);
            session.send_update(guild, self.now);
        }
        Ok(())
    }

    fn volume(&self, session: &mut Session) -> Outcome {
        let guild = self.player(session)?;
        session.player(guild, self.now).volume = self.int("volume")?.ok_or(OpFailed)?.clamp(0, 1000);
        Ok(())
    }

    /// Replaces all filters; ignored as a whole when one of them is disabled.
    fn filters(&self, session: &mut Session) -> Outcome {
        let guild = self.player(session)?;
        let mut given = self.fields.clone();
        given.retain(|name, _| name != "op" && name != "guildId");
        if let Ok(filters) = filters::accept(self.node.settings.generation, &given, &self.node.disabled_filters) {
            session
                .player(guild, self.now)
                .change(self.now, |player| player.filters = filters);
        }
        Ok(())
    }

    /// Replaces the equalizer and keeps the other filters.
    fn equalizer(&self, session: &mut Session) -> Outcome {
        let guild = self.player(session)?;
        let bands = self
            .fields
            .get("bands")
            .filter(|bands| bands.is_array())
            .ok_or(OpFailed)?
            .clone();
        if !self.node.disabled_filters.iter().any(|name| name == "equalizer") {
            session
                .player(guild, self.now)
                .filters
                .insert("equalizer".to_owned(), bands);
        }
        Ok(())
    }
}
