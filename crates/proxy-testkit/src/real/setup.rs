//! Installs the real parts below the build folder: Java dependencies with Maven, packages with npm and pip, a Go
//! program, unpacked Debian packages. Each part is installed once; a stamp of its inputs tells whether that is still current.
//!
//! Package managers are used as the machine has them configured; no registry is named here.

use std::{
    env, fs,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{Unavailable, installed, process::Supervised, sources};

/// A cold installation downloads up to 100 MB.
const INSTALL_WITHIN: Duration = Duration::from_secs(480);
/// The file that says what an installation was made from.
const STAMP: &str = ".stamp";

/// Something to install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The jars of the Lavalink server.
    LavalinkServer,
    /// The JavaScript client libraries and their drivers.
    JavaScript,
    /// lavalink.py and wavelink 3.
    Python,
    /// wavelink 1, which cannot share an environment with wavelink 3.
    PythonLegacy,
    /// The Go driver, built.
    Go,
    /// The jars of the JVM client library.
    Jvm,
    /// hadolint and check-jsonschema, for the container's files.
    Lint,
    /// Prometheus with promtool, unpacked and not set up as a service.
    Prometheus,
    /// libfaketime, which makes a program see another time.
    FakeTime,
}

impl Part {
    /// Every part, in the order in which a set-up goes through them.
    pub const ALL: [Self; 9] = [
        Self::LavalinkServer,
        Self::JavaScript,
        Self::Python,
        Self::PythonLegacy,
        Self::Go,
        Self::Jvm,
        Self::Lint,
        Self::Prometheus,
        Self::FakeTime,
    ];

    /// The part's name: also its folder below the build folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::LavalinkServer => "lavalink-server",
            Self::JavaScript => "js",
            Self::Python => "python",
            Self::PythonLegacy => "python-legacy",
            Self::Go => "go",
            Self::Jvm => "jvm",
            Self::Lint => "lint",
            Self::Prometheus => "prometheus",
            Self::FakeTime => "faketime",
        }
    }

    /// What must be on the machine.
    fn tools(self) -> &'static [&'static str] {
        match self {
            Self::LavalinkServer | Self::Jvm => &["java", "mvn"],
            Self::JavaScript => &["node", "npm"],
            Self::Python | Self::PythonLegacy | Self::Lint => &["python3"],
            Self::Prometheus | Self::FakeTime => &["apt-get", "dpkg-deb"],
            Self::Go => &["go"],
        }
    }

    /// The files that the installation is made from; they are copied into the part's folder first.
    fn inputs(self) -> &'static [&'static str] {
        match self {
            Self::LavalinkServer => &["lavalink-server/pom.xml"],
            Self::JavaScript => &["clients/js/package.json", "clients/js/package-lock.json"],
            Self::Python => &["clients/python/requirements.txt"],
            Self::PythonLegacy => &["clients/python/requirements-legacy.txt"],
            Self::Go => &["clients/go/go.mod", "clients/go/go.sum", "clients/go/main.go"],
            Self::Jvm => &["clients/jvm/pom.xml"],
            Self::Lint => &["lint/requirements.txt"],
            // The distribution decides which version.
            Self::Prometheus | Self::FakeTime => &[],
        }
    }

    /// Installs the part unless that was done before from the same inputs. Returns its folder.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when a tool is missing, the registry lacks a package, or an installation fails or takes too long.
    pub fn install(self) -> Result<PathBuf, Unavailable> {
        self.tools().iter().try_for_each(|tool| require_tool(tool))?;
        let folder = installed().join(self.name());
        fs::create_dir_all(&folder)?;
        let _lock = lock(&folder)?;
        let stamp = self.stamp()?;
        if fs::read_to_string(folder.join(STAMP)).ok().as_deref() != Some(stamp.as_str()) {
            self.run_steps(&folder)?;
            fs::write(folder.join(STAMP), stamp)?;
        }
        Ok(folder)
    }

    /// The inputs themselves are the stamp: they are small, and nothing can collide.
    fn stamp(self) -> io::Result<String> {
        let texts: io::Result<Vec<_>> = self
            .inputs()
            .iter()
            .map(|input| fs::read_to_string(sources().join(input)))
            .collect();
        Ok(texts?.join("\n"))
    }

    fn run_steps(self, folder: &Path) -> Result<(), Unavailable> {
        for input in self.inputs() {
            let source = sources().join(input);
            let name = source
                .file_name()
                .ok_or_else(|| io::Error::other("an input without a name"))?;
            fs::copy(&source, folder.join(name))?;
        }
        for command in self.steps(folder) {
            run(command, folder)?;
        }
        Ok(())
    }

    /// The commands of the installation, run in the part's folder.
    fn steps(self, folder: &Path) -> Vec<Command> {
        match self {
            Self::LavalinkServer | Self::Jvm => vec![command(
                "mvn",
                &[
                    "-B",
                    "-q",
                    "-U",
                    "dependency:copy-dependencies",
                    "-DincludeScope=runtime",
                    "-DoutputDirectory=.",
                ],
            )],
            Self::JavaScript => vec![command("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])],
            Self::Python => python_steps(folder, "requirements.txt"),
            Self::PythonLegacy => python_steps(folder, "requirements-legacy.txt"),
            Self::Go => vec![command("go", &["build", "-o", "driver", "."])],
            Self::Lint => python_steps(folder, "requirements.txt"),
            Self::Prometheus => debian_steps("prometheus"),
            Self::FakeTime => debian_steps("libfaketime"),
        }
    }
}

/// Downloads a Debian package and unpacks it in place, which takes no rights and starts nothing.
fn debian_steps(package: &str) -> Vec<Command> {
    let download =
        format!("apt-get download -q {package} || {{ apt-get update -q && apt-get download -q {package}; }}");
    let unpack = format!("dpkg-deb -x {package}_*.deb .");
    vec![command("sh", &["-c", &download]), command("sh", &["-c", &unpack])]
}

fn python_steps(folder: &Path, requirements: &str) -> Vec<Command> {
    let python = folder.join("bin/python").display().to_string();
    vec![
        command("python3", &["-m", "venv", "."]),
        command(
            &python,
            &[
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
                requirements,
            ],
        ),
    ]
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn run(mut command: Command, folder: &Path) -> Result<(), Unavailable> {
    command.current_dir(folder);
    let shown = format!("{command:?}");
    let mut process = Supervised::spawn(command, &folder.join("install.log"))?;
    match process.wait(INSTALL_WITHIN)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(not_installed(&shown, &status.to_string(), &process.log_tail())),
        None => Err(Unavailable::Failed(format!(
            "{shown} took too long:\n{}",
            process.log_tail()
        ))),
    }
}

/// What package managers say when the registry is reachable but does not have the package, with what follows it.
const NOT_IN_REGISTRY: [(&str, &str); 5] = [
    ("Could not find artifact ", " in "),
    ("The following artifacts could not be resolved: ", ": Could not"),
    ("No matching distribution found for ", "\n"),
    ("Unable to locate package ", "\n"),
    ("npm error 404 Not Found - GET ", " "),
];

fn not_installed(command: &str, status: &str, log: &str) -> Unavailable {
    for (before, after) in NOT_IN_REGISTRY {
        if let Some((_, rest)) = log.split_once(before) {
            let package = rest.split(after).next().unwrap_or(rest);
            return Unavailable::Registry(package.trim().to_owned());
        }
    }
    Unavailable::Failed(format!("{command}: {status}:\n{log}"))
}

/// One installer per folder at a time: tests of several processes may ask at once.
fn lock(folder: &Path) -> io::Result<File> {
    let file = File::create(folder.join(".lock"))?;
    file.lock()?;
    Ok(file)
}

/// Checks that a program is on the search path.
///
/// # Errors
///
/// [`Unavailable::Tool`] when it is not.
pub fn require_tool(name: &str) -> Result<(), Unavailable> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|folder| folder.join(name).is_file());
    if found {
        Ok(())
    } else {
        Err(Unavailable::Tool(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_the_registry_lacks_is_told_from_a_broken_installation() {
        let cases = [
            (
                "[ERROR] Could not find artifact a.b:C:jar:1.2 in central (...)",
                Unavailable::Registry("a.b:C:jar:1.2".to_owned()),
            ),
            (
                "ERROR: No matching distribution found for wavelink==9\nmore",
                Unavailable::Registry("wavelink==9".to_owned()),
            ),
            ("disk full", Unavailable::Failed("cmd: exit 1:\ndisk full".to_owned())),
        ];
        for (log, expected) in cases {
            assert_eq!(not_installed("cmd", "exit 1", log), expected);
        }
    }

    #[test]
    fn a_missing_tool_is_named() {
        assert_eq!(
            require_tool("no-such-program-here"),
            Err(Unavailable::Tool("no-such-program-here".to_owned()))
        );
    }
}
