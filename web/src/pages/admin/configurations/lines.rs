//! Lists as text: one entry a line. Pure.

/// The entries of a text: its lines, without blanks around them and without empty ones.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Between commands of which one has several lines.
const COMMAND_END: &str = "---";

/// One command a line; if one has several lines, each ends with a line of its own.
pub(super) fn join_commands(commands: &[String]) -> String {
    if commands.iter().any(|command| command.trim().contains('\n')) {
        commands.iter().map(|command| format!("{}\n{COMMAND_END}\n", command.trim())).collect()
    } else {
        commands.join("\n")
    }
}

/// What [`join_commands`] joined.
pub(super) fn split_commands(text: &str) -> Vec<String> {
    if !text.lines().any(|line| line.trim() == COMMAND_END) {
        return lines(text);
    }
    let mut commands = vec![String::new()];
    for line in text.lines() {
        if line.trim() == COMMAND_END {
            commands.push(String::new());
        } else if let Some(command) = commands.last_mut() {
            command.push_str(line);
            command.push('\n');
        }
    }
    commands.iter().map(|command| command.trim().to_owned()).filter(|command| !command.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_several_lines_stay_whole() {
        let of = |commands: &[&str]| commands.iter().map(|command| (*command).to_owned()).collect::<Vec<_>>();
        for commands in [
            of(&[]),
            of(&["a", "b --x"]),
            of(&["cat > /etc/motd <<EOF\nhello\n\nEOF"]),
            of(&["if true\nthen echo\nfi", "b"]),
        ] {
            assert_eq!(split_commands(&join_commands(&commands)), commands);
        }
    }
}
