//! Reads a `.env` file, as LavaBridge did and as people keep beside a program.
//!
//! Lines are `NAME=value`, perhaps with `export` before and quotes around the value; `#` begins a comment. Nothing is
//! expanded. The variables of the process win, so this only fills in what is not set.

/// The variables of a `.env` file. Lines that are none are passed over: the file may belong to several programs.
pub(crate) fn dotenv(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(variable).collect()
}

fn variable(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(known)).then(|| (name.to_owned(), unquoted(value.trim()).to_owned()))
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\'', '`'] {
        if let Some((inside, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inside;
        }
    }
    value.find(" #").map_or(value, |comment| value[..comment].trim_end())
}

#[cfg(test)]
mod tests {
    use super::dotenv;

    #[test]
    fn lines_of_the_usual_forms_are_read_and_others_passed_over() {
        let text = "# LavaBridge\nPROXY_PORT=6923\nexport PROXY_PASSWORD=\"a # b\" # secret\nLAVALINK_V4_HOST = 10.0.0.1 # v4\n\nnonsense\nA-B=1\nEMPTY=\n";
        let read = dotenv(text);
        let expected = [
            ("PROXY_PORT", "6923"),
            ("PROXY_PASSWORD", "a # b"),
            ("LAVALINK_V4_HOST", "10.0.0.1"),
            ("EMPTY", ""),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(read, expected);
    }
}
