//! Log files of the built program: where lines go, in which form, how files are rotated, and what is never in them.
//!
//! Rotation by time is tested in `real`, where the clock can be turned forward.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proxy_testkit::client::Rest;
use proxy_testkit::{SimNode, TestClient, wait_until};

use crate::support::{BOT, PASSWORD, ProxyProgram, SOON, sim_v4};

/// What a voice server gives a bot, and no log may have.
const VOICE_TOKEN: &str = "voice-token-of-a-guild";

fn start(node: &SimNode, log: &str) -> ProxyProgram {
    ProxyProgram::start(&format!("{}[log]\n{log}", ProxyProgram::config("", &[node])))
}

async fn stop(proxy: &mut ProxyProgram) {
    proxy.signal("TERM");
    assert!(proxy.wait_exit(SOON).await.success());
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Where clients connect, from the log in this folder.
fn address(logs: &Path) -> Option<String> {
    let text = read(&logs.join("proxy.log"));
    let (_, rest) = text.split_once("clients connect here address=")?;
    rest.split_once('\n').map(|(address, _)| address.trim().to_owned())
}

#[tokio::test]
async fn lines_go_to_the_file_as_well_up_to_the_last_one() {
    let node = sim_v4().await;
    let mut proxy = start(
        &node,
        "file = \"logs/proxy.log\"\nrotation = \"never\"\nformat = \"json\"\n",
    );
    proxy.wait_line("clients connect here").await;
    let logs = proxy.folder().join("logs");
    stop(&mut proxy).await;
    assert_eq!(names(&logs), BTreeSet::from(["proxy.log".to_owned()]));
    let messages: Vec<_> = read(&logs.join("proxy.log"))
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(line["timestamp"].is_string() && line["level"].is_string() && line["target"].is_string());
            line["message"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(messages.first().map(String::as_str), Some("lavalink-proxy starts"));
    assert!(
        messages.iter().any(|message| message == "lavalink-proxy stops"),
        "{messages:?}"
    );
    assert!(
        proxy.said().contains("lavalink-proxy stops"),
        "standard error has them too"
    );
}

#[tokio::test]
async fn standard_error_can_be_left_out() {
    let node = sim_v4().await;
    let mut proxy = start(&node, "file = \"proxy.log\"\nrotation = \"never\"\nstderr = false\n");
    let file = proxy.folder().join("proxy.log");
    wait_until(SOON, || file.exists() && read(&file).contains("clients connect here")).await;
    stop(&mut proxy).await;
    assert_eq!(proxy.said(), "");
    assert!(read(&file).contains("lavalink-proxy stops"));
}

#[tokio::test]
async fn a_new_file_is_begun_at_the_size_and_only_so_many_are_kept() {
    let node = sim_v4().await;
    let mut proxy = start(
        &node,
        "access = true\nfile = \"logs/proxy.log\"\nrotation = \"16KiB\"\nkeep = 3\nstderr = false\n",
    );
    let logs = proxy.folder().join("logs");
    let all = BTreeSet::from(["proxy.log", "proxy.log.1", "proxy.log.2"].map(str::to_owned));
    wait_until(SOON, || logs.join("proxy.log").exists() && address(&logs).is_some()).await;
    let rest = Rest::to(&format!("http://{}", address(&logs).unwrap()), Some(PASSWORD)).unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    // Each request is a line; one file more than are kept must have been filled.
    for request in 0.. {
        rest.get(&format!("/no/such/route/{request}")).await.unwrap();
        assert!(
            Instant::now() < limit,
            "only {:?} after {request} requests",
            names(&logs)
        );
        if request > 400 && names(&logs) == all {
            break;
        }
    }
    stop(&mut proxy).await;
    assert_eq!(names(&logs), all);
    for name in names(&logs) {
        let length = std::fs::metadata(logs.join(&name)).unwrap().len();
        assert!(length <= 16 * 1024, "{name} has {length} bytes");
    }
}

#[tokio::test]
async fn a_file_of_the_day_has_its_date_and_those_past_the_number_are_removed_at_the_start() {
    let node = sim_v4().await;
    let folder = tempfile::tempdir().unwrap();
    for day in ["2020-01-01", "2020-01-02", "2020-01-03"] {
        std::fs::write(folder.path().join(format!("proxy.log.{day}")), "old\n").unwrap();
    }
    std::fs::write(folder.path().join("proxy.log.mine"), "kept\n").unwrap();
    let file = folder.path().join("proxy.log");
    let mut proxy = start(&node, &format!("file = {file:?}\nkeep = 2\n"));
    proxy.wait_line("clients connect here").await;
    stop(&mut proxy).await;
    let mut names = names(folder.path());
    assert!(
        names.remove("proxy.log.mine") && names.remove("proxy.log.2020-01-03"),
        "{names:?}"
    );
    let today: Vec<_> = names.into_iter().collect();
    let [today] = &today[..] else { panic!("{today:?}") };
    let date = today.strip_prefix("proxy.log.2").unwrap();
    assert!(date.len() == 9 && !date.starts_with("020-01"), "{today}");
    assert!(read(&folder.path().join(today)).contains("lavalink-proxy stops"));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_ends_the_start_with_its_name() {
    let node = sim_v4().await;
    let mut proxy = start(&node, "file = \"/proc/no/such.log\"\n");
    assert_eq!(proxy.wait_exit(SOON).await.code(), Some(1));
    let said = proxy.wait_line("/proc/no/such.log").await;
    assert!(said.starts_with("error: cannot log to"), "{said}");
}

#[tokio::test]
async fn no_line_has_a_secret_even_at_the_lowest_level() {
    let node = sim_v4().await;
    let mut proxy = start(
        &node,
        "level = \"trace\"\naccess = true\nfile = \"logs/proxy.log\"\naccess_file = \"logs/access.log\"\n\
         rotation = \"never\"\n",
    );
    let address = proxy.address().await;
    let url = format!("http://{address}");
    let client = TestClient::v4(&url, PASSWORD, BOT).connect().await.unwrap();
    client.play(1, "http://example.org/a.mp3").await.unwrap();
    let voice = serde_json::json!({"voice": {"token": VOICE_TOKEN, "endpoint": "rotterdam1.discord.media:443",
        "sessionId": "voice-session", "channelId": "2"}});
    let session = client.session_id();
    let update = http::Request::patch(format!("/v4/sessions/{session}/players/1"))
        .header("content-type", "application/json")
        .body(voice.to_string().into())
        .unwrap();
    Rest::to(&url, Some(PASSWORD)).unwrap().send(update).await.unwrap();
    for wrong in ["wrong-password-of-a-client", "admin"] {
        Rest::to(&url, Some(wrong)).unwrap().get("/v4/info").await.unwrap();
    }
    client.disconnect().await;
    let logs = proxy.folder().join("logs");
    stop(&mut proxy).await;
    let files: Vec<PathBuf> = names(&logs).iter().map(|name| logs.join(name)).collect();
    let access = read(&logs.join("access.log"));
    assert!(
        access.lines().count() >= 4 && access.lines().all(|line| line.contains(" access: ")),
        "{access}"
    );
    assert!(
        !read(&logs.join("proxy.log")).contains(" access: "),
        "they are in their own file alone"
    );
    let text = files.iter().map(|file| read(file)).collect::<String>() + &proxy.said();
    assert!(text.len() > 1000, "something was logged: {text}");
    for secret in [
        PASSWORD,
        node.password(),
        VOICE_TOKEN,
        "wrong-password-of-a-client",
        "\"admin\"",
    ] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
