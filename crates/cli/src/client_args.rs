//! How `orchestrator-client` is called.

use std::path::PathBuf;

use crate::options::{FAULTS, Options};
use crate::server_args::user_of_the_system;
use crate::transport::Credentials;

/// An option.
pub(crate) struct ClientOption {
    pub(crate) short: Option<char>,
    pub(crate) long: Option<&'static str>,
    pub(crate) is_switch: bool,
    pub(crate) about: &'static str,
}

const fn option(short: char, long: Option<&'static str>, about: &'static str) -> ClientOption {
    ClientOption { short: Some(short), long, is_switch: false, about }
}

const fn long_option(long: &'static str, about: &'static str) -> ClientOption {
    ClientOption { short: None, long: Some(long), is_switch: false, about }
}

impl ClientOption {
    /// True for its letter and for its long name.
    fn is_called(&self, name: &str) -> bool {
        self.long == Some(name) || self.short.is_some_and(|short| name.chars().eq([short]))
    }
}

/// Every option.
pub(crate) const OPTIONS: &[ClientOption] = &[
    ClientOption { is_switch: true, ..option('h', Some("help"), "Show this") },
    option('c', Some("command"), "Command to run"),
    option('i', Some("instance"), "Instance, host[:port]"),
    option('d', Some("destination"), "Destination instance, host[:port]"),
    option('s', None, "The same as -d"),
    option('a', Some("alias"), "Name or alias of a cluster"),
    option('o', Some("owner"), "Who does it; the user of the system if not given"),
    option('r', Some("reason"), "Why"),
    option('u', Some("duration"), "For how long: a number and s, m, h, d or w (default 10m)"),
    option('R', Some("promotion-rule"), "prefer, neutral, prefer_not or must_not"),
    option('t', Some("tag"), "Tag: name or name=value"),
    option('l', Some("pool"), "Pool of instances"),
    option('H', Some("hostname"), "Node of ours: host name, raft address, or a part of one"),
    option('D', Some("default-port"), "Port of an instance that is named without one (default 3306)"),
    option('U', Some("api"), "Address of the API, or several separated by spaces or commas: the leader is found"),
    option('P', Some("path"), "Path below /api, for -c api"),
    option('q', Some("query"), "No effect yet"),
    option('b', Some("auth"), "user:password"),
    option('e', Some("headers-auth"), "Header that tells the user, Name: value"),
    option('n', Some("binlog"), "No effect yet"),
    option('S', Some("seconds"), "No effect yet"),
    long_option(
        "snapshot",
        "File of instances, as all-instances returns them, to ask instead of a service; - is stdin",
    ),
    long_option("config", "With a snapshot: configuration file, for its policy"),
    long_option("kill", "simulate: an instance whose mysqld is gone; may be repeated"),
    long_option("cut", "simulate: a data centre that is cut off; may be repeated"),
    long_option("stop-replication", "simulate: an instance whose replication somebody stopped; may be repeated"),
    ClientOption { is_switch: true, ..long_option("json", "explain, simulate: all of the answer, as JSON") },
];

/// Every environment variable.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("ORCHESTRATOR_API", "Address of the API (default http://localhost:3000), or several: the leader is found"),
    ("ORCHESTRATOR_INSTANCE", "Instance, if -i is not given"),
    ("ORCHESTRATOR_AUTH_USER", "User of basic authentication"),
    ("ORCHESTRATOR_AUTH_PASSWORD", "Its password"),
    ("ORCHESTRATOR_AUTH_USER_HEADER", "Header that tells the user, Name: value"),
];

/// How `orchestrator-client` was called.
#[derive(Clone, Debug)]
pub(crate) struct ClientArgs {
    pub(crate) command: String,
    pub(crate) options: Options,
    pub(crate) urls: Vec<String>,
    /// The farm that the command is about, if it is not one that is watched.
    pub(crate) snapshot: Option<PathBuf>,
    /// Configuration for that.
    pub(crate) config: Option<PathBuf>,
    pub(crate) credentials: Credentials,
}

impl ClientArgs {
    /// Reads the words after the program's name, and the environment.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(crate) fn parse(
        words: impl IntoIterator<Item = String>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let given = read(words)?;
        let get =
            |name: &str| given.iter().rev().find(|(option, _)| option.is_called(name)).map(|(_, value)| value.clone());
        let text = |name: &str| get(name).unwrap_or_default();
        let fault = |(option, value): &(&ClientOption, String)| {
            option.long.filter(|name| FAULTS.contains(name)).map(|name| (name, value.clone()))
        };
        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let default_port = match get("D") {
            None => 3306,
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("{port:?} is no port"))?,
        };
        let api = get("U").filter(|api| !api.is_empty()).or_else(|| variable("ORCHESTRATOR_API"));
        let api = api.unwrap_or_else(|| "http://localhost:3000".to_owned());
        let urls = addresses(&api);
        if urls.is_empty() {
            return Err("-U or ORCHESTRATOR_API holds no address".to_owned());
        }
        let asks_help = get("h").is_some();
        Ok(Self {
            command: if asks_help { "help".to_owned() } else { text("c") },
            options: Options {
                instance: get("i").or_else(|| variable("ORCHESTRATOR_INSTANCE")).unwrap_or_default(),
                destination: get("d").or_else(|| get("s")).unwrap_or_default(),
                alias: text("a"),
                owner: get("o").filter(|owner| !owner.is_empty()).unwrap_or_else(user_of_the_system),
                reason: text("r"),
                duration: text("u"),
                pattern: String::new(),
                promotion_rule: text("R"),
                default_port,
                hostname: text("H"),
                path: text("P"),
                pool: text("l"),
                tag: text("t"),
                faults: given.iter().filter_map(fault).collect(),
                json: get("json").is_some(),
            },
            urls,
            snapshot: get("snapshot").filter(|path| !path.is_empty()).map(PathBuf::from),
            config: get("config").filter(|path| !path.is_empty()).map(PathBuf::from),
            credentials: Credentials {
                basic: basic(get("b"), variable("ORCHESTRATOR_AUTH_USER"), variable("ORCHESTRATOR_AUTH_PASSWORD")),
                header: get("e")
                    .filter(|header| !header.is_empty())
                    .or_else(|| variable("ORCHESTRATOR_AUTH_USER_HEADER")),
            },
        })
    }
}

/// Returns the addresses in `text`, which spaces or commas separate.
fn addresses(text: &str) -> Vec<String> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|url| !url.is_empty()).map(str::to_owned).collect()
}

fn basic(auth: Option<String>, user: Option<String>, password: Option<String>) -> Option<(String, String)> {
    match auth.filter(|auth| !auth.is_empty()) {
        Some(auth) => Some(match auth.split_once(':') {
            Some((user, password)) => (user.to_owned(), password.to_owned()),
            None => (auth, String::new()),
        }),
        None => user.map(|user| (user, password.unwrap_or_default())),
    }
}

/// Returns the options in the order in which they were given.
fn read(words: impl IntoIterator<Item = String>) -> Result<Vec<(&'static ClientOption, String)>, String> {
    let mut given = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(bare) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|bare| !bare.is_empty())
        else {
            return Err(format!("{word:?} is no option"));
        };
        let (name, attached) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (bare, None),
        };
        let option = OPTIONS.iter().find(|option| option.is_called(name));
        let option = option.ok_or_else(|| format!("there is no option {word:?}"))?;
        let value = match attached {
            Some(value) => value,
            None if option.is_switch => String::new(),
            None => words.next().ok_or_else(|| format!("{word} needs a value"))?,
        };
        given.push((option, value));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str], environment: &[(&str, &str)]) -> Result<ClientArgs, String> {
        let variable =
            |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        ClientArgs::parse(words.iter().map(|word| (*word).to_owned()), &variable)
    }

    #[test]
    fn long_names_take_one_dash_or_two_and_two_ways_of_values() {
        for words in
            [["-a", "shop"].as_slice(), &["--alias", "shop"], &["-alias", "shop"], &["--alias=shop"], &["-a=shop"]]
        {
            assert_eq!(parse(words, &[]).expect("a call").options.alias, "shop", "{words:?}");
        }
        let args = parse(&["-c", "register-candidate", "--promotion-rule=prefer"], &[]).expect("a call");
        assert_eq!((args.command.as_str(), args.options.promotion_rule.as_str()), ("register-candidate", "prefer"));
    }

    #[test]
    fn options_win_over_the_environment() {
        let environment = [
            ("ORCHESTRATOR_API", "http://a:3000/api http://b:3000"),
            ("ORCHESTRATOR_INSTANCE", "db9"),
            ("ORCHESTRATOR_AUTH_USER", "ann"),
            ("ORCHESTRATOR_AUTH_PASSWORD", "pw"),
        ];
        let args = parse(&["-c", "topology"], &environment).expect("a call");
        assert_eq!(args.urls, ["http://a:3000/api", "http://b:3000"]);
        assert_eq!(addresses("http://a, http://b,http://c"), ["http://a", "http://b", "http://c"]);
        assert_eq!(args.options.instance, "db9");
        assert_eq!(args.credentials.basic, Some(("ann".to_owned(), "pw".to_owned())));
        assert!(!format!("{args:?}").contains("pw"), "a password is shown");
        let args = parse(&["-U", "https://c", "-i", "db1", "-b", "bob:a:b", "-e", "X-User: bob"], &environment)
            .expect("a call");
        assert_eq!(args.urls, ["https://c"]);
        assert_eq!(args.options.instance, "db1");
        assert_eq!(args.credentials.basic, Some(("bob".to_owned(), "a:b".to_owned())));
        assert_eq!(args.credentials.header.as_deref(), Some("X-User: bob"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for words in [
            ["topology"].as_slice(),
            &["-c"],
            &["--nosuch", "x"],
            &["-D", "0"],
            &["-D", "x"],
            &["-"],
            &["-ci", "x"],
            &["-U", " , "],
        ] {
            assert!(parse(words, &[]).is_err(), "{words:?}");
        }
        assert_eq!(parse(&["-h"], &[]).expect("a call").command, "help");
        assert_eq!(parse(&["--help"], &[]).expect("a call").command, "help");
    }
}
