//! The real Lavalink server as a child process, from its published artifact or from a class path that the machine's
//! owner names, with the machine's Java.

use std::{
    env, fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    Unavailable, http,
    process::{Supervised, free_port},
    setup, sources,
};

/// Names a Java class path with a Lavalink server in it (a jar, or a folder of classes and `folder/*`), to use instead
/// of the published artifact.
pub const CLASS_PATH_VARIABLE: &str = "LAVALINK_SERVER_CLASSPATH";

/// A cold JVM on a busy machine with two cores needs a few seconds.
const START_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// The trust store within the server's folder.
const STORE: &str = "trust-store.p12";
const STORE_PASSWORD: &str = "changeit";

/// How to start a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions<'a> {
    /// What clients must send as `Authorization`.
    pub password: &'a str,
    /// The CA that the server shall trust for voice connections, in PEM.
    pub voice_ca: &'a str,
}

/// A running Lavalink server. Dropping it kills it and removes its folder.
#[derive(Debug)]
pub struct LavalinkServer {
    process: Supervised,
    address: SocketAddr,
    version: String,
    class_path: String,
    password: String,
    /// Configuration, trust store and log; the server writes into it too.
    folder: TempDir,
}

impl LavalinkServer {
    /// Starts a server on a free loopback port and waits until `/version` answers. Blocks for a few seconds.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when Java or the artifact is missing, or the server does not come up; its log is in the text.
    pub fn start(options: &ServerOptions<'_>) -> Result<Self, Unavailable> {
        let class_path = class_path()?;
        let folder = TempDir::with_prefix("lavalink-server-")?;
        make_trust_store(options.voice_ca, folder.path(), &folder.path().join(STORE))?;
        fs::copy(
            sources().join("lavalink-server/application.yml"),
            folder.path().join("application.yml"),
        )?;

        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let process = spawn(&class_path, folder.path(), address, options.password)?;
        let mut server = Self {
            process,
            address,
            version: String::new(),
            class_path,
            password: options.password.to_owned(),
            folder,
        };
        server.version = server.wait_until_up()?;
        Ok(server)
    }

    /// Starts the server again where it listened before, after its process has ended or to end it. Blocks as
    /// [`Self::start`] does.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Failed`] when it does not come up again.
    pub fn start_again(&mut self) -> Result<(), Unavailable> {
        self.process.kill();
        self.process.wait(START_WITHIN)?;
        self.process = spawn(&self.class_path, self.folder.path(), self.address, &self.password)?;
        self.wait_until_up().map(drop)
    }

    /// Whether the server answers at this moment.
    pub fn is_up(&self) -> bool {
        http::get(self.address, "/version", &self.password, Duration::from_secs(2))
            .is_ok_and(|answer| answer.status == 200)
    }

    /// The child process, for signals.
    pub fn process(&self) -> &Supervised {
        &self.process
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `/version` said.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn wait_until_up(&mut self) -> Result<String, Unavailable> {
        let deadline = Instant::now() + START_WITHIN;
        loop {
            if let Ok(answer) = http::get(self.address, "/version", &self.password, Duration::from_secs(2))
                && answer.status == 200
            {
                return Ok(answer.body);
            }
            let ended = self.process.wait(POLL)?;
            if ended.is_some() || Instant::now() > deadline {
                let what = ended.map_or("does not answer".to_owned(), |status| format!("ended with {status}"));
                return Err(Unavailable::Failed(format!(
                    "the Lavalink server {what}:\n{}",
                    self.process.log_tail()
                )));
            }
        }
    }
}

fn spawn(class_path: &str, folder: &Path, address: SocketAddr, password: &str) -> io::Result<Supervised> {
    let command = java(class_path, &folder.join(STORE), folder, address, password);
    Supervised::spawn(command, &folder.join("server.log"))
}

/// Where the server's classes are: the machine owner's word first, then the published artifact.
fn class_path() -> Result<String, Unavailable> {
    setup::require_tool("java")?;
    setup::require_tool("keytool")?;
    if let Ok(given) = env::var(CLASS_PATH_VARIABLE) {
        return Ok(given);
    }
    let folder = setup::Part::LavalinkServer.install()?;
    Ok(folder.join("*").display().to_string())
}

/// A Java trust store with nothing but the CA: the node checks the voice server's certificate against it.
fn make_trust_store(ca: &str, folder: &Path, store: &Path) -> Result<(), Unavailable> {
    let certificate = folder.join("voice-ca.pem");
    fs::write(&certificate, ca)?;
    let mut keytool = Command::new("keytool");
    keytool
        .args([
            "-importcert",
            "-noprompt",
            "-alias",
            "voice",
            "-storetype",
            "PKCS12",
            "-storepass",
            STORE_PASSWORD,
        ])
        .arg("-file")
        .arg(certificate)
        .arg("-keystore")
        .arg(store);
    run_quietly(keytool)
}

fn run_quietly(mut command: Command) -> Result<(), Unavailable> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let error = io::Error::other(format!(
        "{:?}: {}",
        command.get_program(),
        String::from_utf8_lossy(&said)
    ));
    Err(error.into())
}

/// Flags for a quick start and a small footprint; a test node plays a few tracks for a few minutes.
fn java(class_path: &str, store: &Path, folder: &Path, address: SocketAddr, password: &str) -> Command {
    let mut java = Command::new("java");
    java.current_dir(folder)
        .args([
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xmx256m",
            "-Xshare:auto",
        ])
        // What the server unpacks goes with its folder; a killed one cannot tidy up.
        .arg(format!("-Djava.io.tmpdir={}", folder.display()))
        .arg(format!("-Djavax.net.ssl.trustStore={}", store.display()))
        .arg(format!("-Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}"))
        .arg(format!("-Dserver.address={}", address.ip()))
        .arg(format!("-Dserver.port={}", address.port()))
        .arg(format!("-Dlavalink.server.password={password}"))
        // Most tracks of the world are Opus already and are passed on as they are. The tests' are not, and a node encodes
        // each for five seconds ahead as fast as it can: with the most effort, twenty at once keep a small machine busy
        // for longer than all the rest of starting them.
        .arg("-Dlavalink.server.opusEncodingQuality=0")
        .args(["-cp", class_path, "lavalink.server.Launcher"]);
    java
}
