//! Credentials files: the section `[client]` with `user` and `password`, as git's configuration format has it.

/// What the section gives. The password is never printed by this module.
#[derive(Default)]
pub(crate) struct Client {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// Reads `text`. Names are taken in any case; other sections and names are passed over; the last of several wins.
///
/// # Errors
/// The line that is neither a section, a `name = value`, a comment nor blank, as `LINE: what would be right`, without
/// the line's text: it may hold a password.
pub(crate) fn client(text: &str) -> Result<Client, String> {
    let mut client = Client::default();
    let mut in_client = false;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let at = |reason: &str| format!("{}: {reason}", index + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let (section, _) = header.split_once(']').ok_or_else(|| at("the section's ] is missing"))?;
            in_client = section.trim().eq_ignore_ascii_case("client");
            continue;
        }
        if !in_client {
            continue;
        }
        // A name alone is a switch, as in MySQL's own option files.
        let Some((name, written)) = line.split_once('=') else { continue };
        let name = name.trim();
        let slot = if name.eq_ignore_ascii_case("user") {
            &mut client.user
        } else if name.eq_ignore_ascii_case("password") {
            &mut client.password
        } else {
            continue;
        };
        *slot = Some(value(written.trim()).map_err(at)?);
    }
    Ok(client)
}

/// Reads a value: quotes keep blanks and comment signs, a backslash escapes, `#` and `;` outside quotes end it.
fn value(written: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut quoted = false;
    // Blanks at the end count only inside quotes.
    let mut significant = 0;
    let mut chars = written.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => break,
            '\\' => value.push(match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('b') => '\u{8}',
                Some(escaped @ ('"' | '\\')) => escaped,
                _ => return Err("after a backslash comes one of n t b \" \\: double a backslash that is meant itself"),
            }),
            other => value.push(other),
        }
        if quoted || !char.is_whitespace() {
            significant = value.len();
        }
    }
    if quoted {
        return Err("the closing quote is missing");
    }
    value.truncate(significant);
    Ok(value)
}
