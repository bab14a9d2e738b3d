//! The container's files and the other examples: linted by the tools that people use, and each step of the image run by
//! hand with the built program, since no test can expect a Docker engine.
//!
//! Not tested here: what only an engine does (pulling images, networks between containers).

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use proxy_testkit::real::process::{Supervised, free_port};
use proxy_testkit::real::setup::{Part, require_tool};
use proxy_testkit::real::{or_skip, say_skipped};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lavalink-proxy");
const SOON: Duration = Duration::from_secs(30);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// One instruction, with its continued lines joined: `("COPY", "a b")`.
type Instruction = (String, String);

/// The instructions of each stage of the Dockerfile, `FROM` first.
fn stages() -> Vec<Vec<Instruction>> {
    let text = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let mut stages: Vec<Vec<Instruction>> = Vec::new();
    for line in joined.lines().filter(|line| !line.trim().is_empty()) {
        let (name, rest) = line.trim().split_once(' ').unwrap();
        if name == "FROM" {
            stages.push(Vec::new());
        }
        let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        stages.last_mut().unwrap().push((name.to_owned(), rest));
    }
    stages
}

fn the<'a>(stage: &'a [Instruction], name: &str) -> &'a str {
    let mut found = stage.iter().filter(|(instruction, _)| instruction == name);
    let (_, rest) = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} twice");
    rest
}

/// The JSON form of a command.
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The variables that the image sets.
fn image_variables(stage: &[Instruction]) -> BTreeMap<String, String> {
    let pairs = the(stage, "ENV").split(' ').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_linters_find_nothing() {
    let Some(tools) = or_skip("container linters", Part::Lint.install()) else {
        return;
    };
    let hadolint = Command::new(tools.join("bin/hadolint"))
        .args(["--failure-threshold", "style", "Dockerfile"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(hadolint.status.success(), "{}", said(&hadolint));
    let compose = Command::new(tools.join("bin/check-jsonschema"))
        .args([
            "--builtin-schema",
            "vendor.compose-spec",
            "examples/docker-compose/compose.yml",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(compose.status.success(), "{}", said(&compose));
}

#[test]
fn systemd_accepts_the_unit() {
    if or_skip("systemd unit", require_tool("systemd-analyze")).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = std::fs::read_to_string(root().join("examples/systemd/lavalink-proxy.service")).unwrap();
    let file = folder.path().join("lavalink-proxy.service");
    std::fs::write(&file, unit.replace("/usr/local/bin/lavalink-proxy", PROGRAM)).unwrap();
    let socket = folder.path().join("lavalink-proxy.socket");
    std::fs::copy(root().join("examples/systemd/lavalink-proxy.socket"), &socket).unwrap();
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .args([&file, &socket])
        .output()
        .unwrap();
    assert!(
        verified.status.success() && said(&verified).is_empty(),
        "{}",
        said(&verified)
    );
}

#[test]
fn every_example_configuration_is_valid() {
    let compose = std::fs::read_to_string(root().join("examples/docker-compose/.env.example")).unwrap();
    let compose: Vec<_> = compose
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| name.starts_with("LAVALINK_PROXY__"))
        .collect();
    for (example, variables) in [("minimal", &[][..]), ("systemd", &[]), ("docker-compose", &compose)] {
        let checked = Command::new(PROGRAM)
            .args(["check", "lavalink-proxy.toml"])
            .current_dir(root().join("examples").join(example))
            .env_clear()
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(checked.status.success(), "{example}: {}", said(&checked));
        assert!(
            said(&checked).contains(" 0 warning(s)"),
            "{example}: {}",
            said(&checked)
        );
    }
}

#[test]
fn what_the_image_copies_is_there_and_sent_to_the_build() {
    let ignored = std::fs::read_to_string(root().join(".dockerignore")).unwrap();
    let sent: BTreeSet<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), "nothing but what is named");
    let stages = stages();
    let copies = stages
        .iter()
        .flatten()
        .filter(|(name, rest)| name == "COPY" && !rest.contains("--from="));
    for (_, rest) in copies {
        let sources: Vec<_> = rest.split(' ').collect();
        for source in &sources[..sources.len() - 1] {
            assert!(root().join(source).exists(), "{source} is not there");
            let top = source.split('/').next().unwrap();
            assert!(sent.contains(top), "{source} is not sent");
        }
    }
    // What the workspace needs to be read at all.
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("members = [\"crates/*\", \"xtask\"]"),
        "copy the new members too"
    );
}

/// A base without a shell has few libraries.
#[test]
fn the_program_needs_no_library_that_the_base_lacks() {
    let listed = Command::new("ldd").arg(PROGRAM).output().unwrap();
    let listed = said(&listed);
    let base = ["linux-vdso.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux"];
    for line in listed.lines() {
        assert!(base.iter().any(|library| line.contains(library)), "{line}");
    }
    assert!(stages().last().unwrap()[0].1.starts_with("gcr.io/distroless/cc-"));
}

/// A folder as the image's last stage has it, and the commands that the image names.
struct Image {
    folder: tempfile::TempDir,
    user: u32,
    variables: BTreeMap<String, String>,
    admin_port: u16,
    stage: Vec<Instruction>,
}

impl Image {
    /// Does what the last stage says. `None` where this user may not give files away.
    fn build() -> Option<Self> {
        let stage = stages().pop().unwrap();
        let user: u32 = the(&stage, "USER").split(':').next().unwrap().parse().unwrap();
        assert_ne!(user, 0, "the image must not run as root");
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut image = Self {
            variables: image_variables(&stage),
            admin_port: free_port().unwrap(),
            folder,
            user,
            stage,
        };
        for (_, rest) in image.stage.iter().filter(|(name, _)| name == "COPY") {
            let words: Vec<_> = rest.split(' ').filter(|word| !word.starts_with("--")).collect();
            let [source, target] = words[..] else { panic!("{rest}") };
            let target = image.path(target);
            if source.ends_with("/lavalink-proxy") {
                std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                std::fs::copy(PROGRAM, &target).unwrap();
            } else {
                assert!(rest.contains(&format!("--chown={user}:{user}")), "{rest}");
                std::fs::create_dir_all(&target).unwrap();
                if chown(&target, Some(user), Some(user)).is_err() {
                    return None;
                }
            }
        }
        assert_eq!(
            words(the(&image.stage, "VOLUME")),
            ["/data"],
            "the store's folder is the volume"
        );
        std::fs::create_dir_all(image.path(the(&image.stage, "WORKDIR"))).unwrap();
        let store = image.variables.get_mut("LAVALINK_PROXY__STORE__PATH").unwrap();
        assert!(store.starts_with("/data/"));
        *store = image.folder.path().join(&store[1..]).display().to_string();
        let bind = image.variables.get_mut("LAVALINK_PROXY__ADMIN__BIND").unwrap();
        assert_eq!(bind, "0.0.0.0:2334", "reachable from outside the container");
        *bind = format!("0.0.0.0:{}", image.admin_port);
        Some(image)
    }

    /// A path of the image in its folder.
    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// A command of the image, as its user, in its working directory, with its variables and these.
    fn command(&self, line: &[String], more: &[(&str, &str)]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", &self.user.to_string(), "--regid", &self.user.to_string()])
            .args(["--clear-groups", "--no-new-privs", "--inh-caps=-all"])
            .arg(self.path(&line[0]))
            .args(&line[1..])
            .current_dir(self.path(the(&self.stage, "WORKDIR")))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(&self.variables)
            .envs(more.iter().copied());
        command
    }
}

#[test]
fn the_image_runs_without_rights_wants_a_password_and_knows_its_health() {
    if or_skip("container steps", require_tool("setpriv")).is_none() {
        return;
    }
    let Some(image) = Image::build() else {
        return say_skipped("container steps", "only root can give files to another user");
    };
    let entry = words(the(&image.stage, "ENTRYPOINT"));
    let node = [
        ("LAVALINK_PROXY_NODES", "v4://password@127.0.0.1:9"),
        ("LAVALINK_PROXY_PASSWORD", "a client's password"),
        ("LAVALINK_PROXY__SERVER__BIND", "127.0.0.1:0"),
    ];
    let refused = image.command(&entry, &node).output().unwrap();
    assert_eq!(refused.status.code(), Some(78), "{}", said(&refused));
    assert!(said(&refused).contains("admin.password"), "{}", said(&refused));

    let with_password = [
        &node[..],
        &[("LAVALINK_PROXY__ADMIN__PASSWORD", "the admin's password")],
    ]
    .concat();
    let log = tempfile::tempdir().unwrap();
    let mut running = Supervised::spawn(image.command(&entry, &with_password), &log.path().join("log")).unwrap();
    let health = the(&image.stage, "HEALTHCHECK");
    let (_, health) = health.split_once("CMD ").unwrap();
    let limit = std::time::Instant::now() + SOON;
    while !image
        .command(&words(health), &with_password)
        .output()
        .unwrap()
        .status
        .success()
    {
        assert!(
            running.wait(Duration::from_millis(50)).unwrap().is_none(),
            "{}",
            running.log()
        );
        assert!(
            std::time::Instant::now() < limit,
            "it does not become healthy: {}",
            running.log()
        );
    }
    assert!(!running.log().contains("the admin's password"));
    assert_eq!(the(&image.stage, "STOPSIGNAL"), "SIGTERM");
    running.terminate();
    let ended = running.wait(SOON).unwrap();
    assert!(
        ended.is_some_and(|status| status.success()),
        "{ended:?} {}",
        running.log()
    );

    let store = std::fs::metadata(image.path("/data/lavalink-proxy.db")).unwrap();
    assert_eq!((store.uid(), store.permissions().mode() & 0o777), (image.user, 0o600));
}
