//! The REST calls of a test client, per protocol.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};

use super::{Protocol, RestAnswer, TestClient};

impl TestClient {
    /// `loadtracks`.
    ///
    /// # Errors
    /// No answer.
    pub async fn load(&self, identifier: &str) -> anyhow::Result<RestAnswer> {
        let prefix = self.options.protocol.rest_prefix();
        self.rest
            .get(&format!(
                "{prefix}/loadtracks?identifier={}",
                percent_encode(identifier)
            ))
            .await
    }

    /// The encoded form of the first track that an identifier loads.
    ///
    /// # Errors
    /// No answer, or no track in it.
    pub async fn load_encoded(&self, identifier: &str) -> anyhow::Result<String> {
        let result = self.load(identifier).await?.json();
        let data = &result["data"];
        let track = [
            &data["encoded"],
            &data[0]["encoded"],
            &data["tracks"][0]["encoded"],
            &result["tracks"][0]["track"],
        ];
        let found = track.into_iter().find_map(Value::as_str);
        found
            .map(str::to_owned)
            .with_context(|| format!("no track for {identifier}: {result}"))
    }

    /// `decodetrack`.
    ///
    /// # Errors
    /// No answer.
    pub async fn decode(&self, encoded: &str) -> anyhow::Result<RestAnswer> {
        let prefix = self.options.protocol.rest_prefix();
        let name = if self.options.protocol == Protocol::V4 {
            "encodedTrack"
        } else {
            "track"
        };
        self.rest
            .get(&format!("{prefix}/decodetrack?{name}={}", percent_encode(encoded)))
            .await
    }

    /// Path of the session or of something below it.
    pub fn session_path(&self, below: &str) -> String {
        format!(
            "{}/sessions/{}{below}",
            self.options.protocol.rest_prefix(),
            self.session_id()
        )
    }

    /// PATCH of a player (v4 and 3.7). Its query, e.g. `?noReplace=true`, may follow the guild.
    ///
    /// # Errors
    /// No answer.
    pub async fn patch_player(&self, guild: impl std::fmt::Display, body: &Value) -> anyhow::Result<RestAnswer> {
        let path = self.session_path(&format!("/players/{guild}"));
        self.rest.request(Method::PATCH, &path, Some(body)).await
    }

    /// Loads an identifier and plays it on a connected player.
    ///
    /// # Errors
    /// No answer, no track, or the update was refused.
    pub async fn play(&self, guild: i64, identifier: &str) -> anyhow::Result<Value> {
        let encoded = self.load_encoded(identifier).await?;
        let v4 = self.options.protocol == Protocol::V4;
        let track = if v4 {
            json!({"track": {"encoded": encoded}})
        } else {
            json!({"encodedTrack": encoded})
        };
        let mut body = track;
        body["voice"] = voice(guild, v4);
        let answer = self.patch_player(guild, &body).await?;
        anyhow::ensure!(
            answer.status == 200,
            "the player was not updated: {} {}",
            answer.status,
            answer.text()
        );
        Ok(answer.json())
    }

    /// GET of a player.
    ///
    /// # Errors
    /// No answer.
    pub async fn get_player(&self, guild: i64) -> anyhow::Result<RestAnswer> {
        self.rest.get(&self.session_path(&format!("/players/{guild}"))).await
    }

    /// GET of all players.
    ///
    /// # Errors
    /// No answer.
    pub async fn get_players(&self) -> anyhow::Result<RestAnswer> {
        self.rest.get(&self.session_path("/players")).await
    }

    /// DELETE of a player.
    ///
    /// # Errors
    /// No answer.
    pub async fn destroy_player(&self, guild: i64) -> anyhow::Result<RestAnswer> {
        self.rest
            .request(Method::DELETE, &self.session_path(&format!("/players/{guild}")), None)
            .await
    }

    /// PATCH of the session.
    ///
    /// # Errors
    /// No answer.
    pub async fn update_session(&self, body: &Value) -> anyhow::Result<RestAnswer> {
        self.rest
            .request(Method::PATCH, &self.session_path(""), Some(body))
            .await
    }
}

/// A voice state as a client sends it, different for every guild.
pub fn voice(guild: i64, with_channel: bool) -> Value {
    let mut voice = json!({
        "token": format!("token-{guild}"), "endpoint": "rotterdam1234.discord.media:443",
        "sessionId": format!("voice-session-{guild}"),
    });
    if with_channel {
        voice["channelId"] = json!((guild + 1).to_string());
    }
    voice
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
