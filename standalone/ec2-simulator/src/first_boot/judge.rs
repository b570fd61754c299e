//! Whether an installation certainly fails.
//!
//! The rule: a line, outside of any `if`, loop, function or other block, whose command is `false` or
//! `exit N` with N other than 0. `sudo` before it does not matter, and `sh -c '…'` is what it quotes.
//! Everything else is taken to succeed, since nothing is run.

use super::user_data::Instructions;

/// The configuration's installation commands.
const INSTALL_SCRIPT: &str = "/etc/cloudapp/install.sh";

/// The command that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailingCommand {
    /// As it was written.
    pub(crate) text: String,
    /// Its exit status.
    pub(crate) status: u8,
}

/// The first command of these instructions that certainly fails.
pub(crate) fn failing_command(instructions: &Instructions) -> Option<FailingCommand> {
    let scripts = instructions.file(INSTALL_SCRIPT).into_iter();
    scripts.chain(instructions.commands.iter().map(String::as_str)).find_map(failing_line)
}

fn failing_line(script: &str) -> Option<FailingCommand> {
    let mut depth = 0_usize;
    let mut document_end: Option<String> = None;
    for line in script.lines() {
        let text = line.trim();
        if let Some(end) = &document_end {
            if text == end {
                document_end = None;
            }
            continue;
        }
        document_end = here_document(text);
        let (opened, closed) = blocks(text);
        if depth == 0
            && opened == 0
            && let Some(status) = failing_status(text)
        {
            return Some(FailingCommand { text: text.to_owned(), status });
        }
        depth = (depth + opened).saturating_sub(closed);
    }
    None
}

/// The word that ends the here-document which begins on this line; its text is data, unless a shell reads it.
fn here_document(line: &str) -> Option<String> {
    let program = line.split_whitespace().find(|word| *word != "sudo")?;
    let (_, after) = line.split_once("<<")?;
    if matches!(program, "sh" | "bash") || after.starts_with('<') {
        return None;
    }
    let word = after.trim_start_matches('-').split_whitespace().next()?;
    Some(word.trim_matches(['\'', '"', '\\']).to_owned())
}

/// How many blocks begin and end on a line.
fn blocks(line: &str) -> (usize, usize) {
    if line.starts_with('#') {
        return (0, 0);
    }
    let words = || line.split([' ', '\t', ';']).filter(|word| !word.is_empty());
    let opened = words().filter(|word| matches!(*word, "if" | "case" | "do" | "{" | "(")).count();
    let closed = words().filter(|word| matches!(*word, "fi" | "esac" | "done" | "}" | ")")).count();
    (opened, closed)
}

fn failing_status(command: &str) -> Option<u8> {
    // What follows an operator may catch the failure.
    if command.contains("||") || command.contains("&&") {
        return None;
    }
    let command = command.strip_prefix("sudo ").unwrap_or(command).trim();
    let (program, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    match program.trim_end_matches(';') {
        "false" | "/bin/false" | "/usr/bin/false" => Some(1),
        "exit" => {
            let number = rest.trim().trim_end_matches(';').split_whitespace().next()?;
            number.parse().ok().filter(|status| *status != 0)
        }
        "sh" | "bash" | "/bin/sh" | "/bin/bash" => {
            let (flag, script) = rest.trim().split_once(char::is_whitespace)?;
            let is_command = flag.starts_with('-') && flag.ends_with('c');
            is_command.then(|| script.trim().trim_matches(['\'', '"'])).and_then(failing_status)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(script: &str) -> Option<u8> {
        let files = vec![(INSTALL_SCRIPT.to_owned(), script.to_owned())];
        failing_command(&Instructions { files, commands: Vec::new() }).map(|command| command.status)
    }

    #[test]
    fn only_what_certainly_fails_fails() {
        for (script, expected) in [
            ("#!/bin/sh\nset -eu\ndnf install -y git\n", None),
            ("true\nfalse\n", Some(1)),
            ("sudo false", Some(1)),
            ("exit 0", None),
            ("exit 42 # give up", Some(42)),
            ("exit \"$status\"", None),
            ("bash -c 'exit 3'", Some(3)),
            ("bash -ec \"false\"", Some(1)),
            ("if ! command; then\n  exit 1\nfi\n", None),
            ("fail() {\n  exit 1\n}\necho fine\n", None),
            ("for x in a b; do\n  false\ndone\nexit 2\n", Some(2)),
            ("cat > /etc/x <<'EOF'\nfalse\nEOF\necho\n", None),
            ("falsework\nexitcode 3\n# exit 1\n", None),
            ("false || true", None),
            ("exit 1 && echo", None),
        ] {
            assert_eq!(judged(script), expected, "{script}");
        }
    }

    #[test]
    fn run_commands_count_as_well() {
        let commands = vec!["echo one".to_owned(), "exit 7".to_owned()];
        let failing = failing_command(&Instructions { files: Vec::new(), commands }).unwrap();
        assert_eq!((failing.text.as_str(), failing.status), ("exit 7", 7));
    }
}
