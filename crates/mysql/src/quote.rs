//! Texts inside statements.

/// Returns `text` as a string literal.
///
/// Quotes are doubled, which every `sql_mode` understands. Backslashes are doubled too, which is right unless the
/// session has `NO_BACKSLASH_ESCAPES`; statements that carry a text with a backslash must run in a session that has
/// not (as `Server::change_source` makes sure). A NUL, which no name or password may hold, is left out.
pub fn literal(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => {}
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// Returns `name` as an identifier in backquotes, which every `sql_mode` understands.
pub fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_own_literal() {
        assert_eq!(literal("db1"), "'db1'");
        assert_eq!(literal("o'neil"), "'o''neil'");
        assert_eq!(literal(r"a\'; drop table t; -- "), r"'a\\''; drop table t; -- '");
        assert_eq!(literal("nul\0"), "'nul'");
        assert_eq!(literal("Zürich"), "'Zürich'");
    }

    #[test]
    fn no_name_ends_its_own_identifier() {
        assert_eq!(identifier("rpl_semi_sync"), "`rpl_semi_sync`");
        assert_eq!(identifier("a`b"), "`a``b`");
    }
}
