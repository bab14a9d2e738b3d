//! The generated documents and the schema, held to the parser.

use super::*;

/// A folder with the files that the example names.
pub(super) fn folder_of_the_example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for section in reference::reference().walk() {
        for key in &section.keys {
            let files = match key.example.as_ref() {
                Some(serde_json::Value::String(file)) if key.kind == "path" => vec![file.clone()],
                Some(serde_json::Value::Object(files)) if key.kind == "table of path" => {
                    files.values().map(|file| file.as_str().unwrap().to_owned()).collect()
                }
                _ => continue,
            };
            for file in files {
                let content = if key.name == "url_file" {
                    "https://discord.com/api/webhooks/1234/of-the-file".to_owned()
                } else {
                    format!("content of {file} for {}", section.path)
                };
                let file = folder.path().join(&file);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, content).unwrap();
            }
        }
    }
    folder
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn the_generated_documents_are_up_to_date() {
    let documents = [
        ("docs/reference/config.md", docs::markdown()),
        ("lavalink-proxy.example.toml", docs::example()),
    ];
    for (path, expected) in documents {
        let found = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(found == expected, "{path} is stale; run `cargo xtask docs`");
    }
}

#[test]
fn the_example_is_the_minimal_configuration() {
    let example = read(&docs::example(), &[]).unwrap();
    let minimal = MINIMAL
        .replace("client-password", "youshallnotpass")
        .replace("node-password", "youshallnotpass");
    let minimal = read(&minimal.replace("name = \"eu-1\"\n", ""), &[]).unwrap();
    assert_eq!(format!("{example:?}"), format!("{minimal:?}"));
}

pub(super) fn uncommented_example() -> String {
    let text = docs::example();
    let lines = text.lines().map(|text| match text.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => key.to_owned(),
        _ => text.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_works_with_every_line_uncommented() {
    let folder = folder_of_the_example();
    let path = folder.path().join("lavalink-proxy.toml");
    std::fs::write(&path, uncommented_example()).unwrap();
    let config = load(Some(&path), std::iter::empty()).unwrap_or_else(|errors| panic!("{errors}"));
    let keys = uncommented_example()
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with('#'))
        .count();
    let known: usize = reference::reference()
        .walk()
        .iter()
        .map(|section| section.keys.len())
        .sum();
    assert_eq!(keys, known);
    assert_eq!(
        config.tenants[0].password.expose(),
        "content of secrets/tenant-password for tenants"
    );
}

#[test]
fn the_schema_agrees_with_the_parser() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    let as_json = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    for text in [MINIMAL.to_owned(), docs::example(), uncommented_example()] {
        let errors: Vec<_> = schema
            .iter_errors(&as_json(&text))
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    // What both can tell from one value alone, they must tell alike.
    let refused = [
        "[server]\nbnid = 1",
        "[server]\nbind = 2333",
        "[server]\nheader_timeout = \"10\"",
        "[server]\nmax_body_bytes = \"16MB\"",
        "[server]\ndefault_version = 5",
        "[sessions]\nplacement = \"node\"",
        "[sessions]\nqueue_messages = 0",
        "[admin]\npassword = 5",
        "[[nodes]]\nweight = 0",
        "[discord.tokens]\nx = 5",
        "tenants = 5",
    ];
    for text in refused {
        assert!(!schema.is_valid(&as_json(text)), "the schema accepts {text}");
        assert!(
            !mistakes(read(text, &[])).iter().all(|line| line.contains("missing")),
            "the parser accepts {text}"
        );
    }
}
