//! Where passwords come from, and where they must not go.

use config::{Config, Finding, Problem, Secret, Surroundings};

use crate::{accept, file, refuse};

/// An environment of one variable and a file of credentials.
struct Host {
    credentials: Result<&'static str, &'static str>,
}

impl Surroundings for Host {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "ORC_PASSWORD").then(|| "from-env".to_owned())
    }

    fn read_file(&self, path: &str) -> Result<String, String> {
        assert_eq!(path, "/etc/mysql/orc.cnf");
        self.credentials.map(str::to_owned).map_err(str::to_owned)
    }
}

fn on_host(
    text: &str,
    credentials: Result<&'static str, &'static str>,
) -> Result<(Config, Vec<Finding>), Vec<Problem>> {
    config::parse(&[file("orc.json", text)], &Host { credentials }).map(|loaded| (loaded.config, loaded.findings))
}

#[test]
fn a_password_can_be_a_variable() {
    let (config, findings) = on_host(r#"{"MySQLTopologyPassword": "${ORC_PASSWORD}"}"#, Err("")).expect("accepted");
    assert_eq!(config.topology_access.password.reveal(), "from-env");
    assert_eq!(findings, []);
    let (config, _) = on_host(r#"{"MySQLTopologyPassword": "x${ORC_PASSWORD}y"}"#, Err("")).expect("accepted");
    assert_eq!(config.topology_access.password.reveal(), "from-env", "as a whole");
    let (config, _) = on_host(r#"{"MySQLTopologyPassword": "$ORC_PASSWORD"}"#, Err("")).expect("accepted");
    assert_eq!(config.topology_access.password.reveal(), "$ORC_PASSWORD", "only with braces");
}

#[test]
fn a_missing_variable_is_told() {
    let (config, findings) = on_host(r#"{"MySQLTopologyPassword": "${ORC_PASWORD}"}"#, Err("")).expect("accepted");
    assert!(config.topology_access.password.is_empty());
    assert_eq!(
        findings[0].to_string(),
        "orc.json:1: MySQLTopologyPassword: the environment variable ORC_PASWORD is not set or empty, so is the password"
    );
}

const WITH_FILE: &str = r#"{"MySQLTopologyUser": "json", "MySQLTopologyPassword": "json",
    "MySQLTopologyCredentialsConfigFile": "/etc/mysql/orc.cnf"}"#;

#[test]
fn a_credentials_file_wins() {
    let ini = "# ours\n[mysqld]\nuser = mysql\n[Client]\nUser = orc\npassword = \"s;cr#t \\\"1\\\" \" ; comment\nssl\n";
    let (config, findings) = on_host(WITH_FILE, Ok(ini)).expect("accepted");
    assert_eq!(config.topology_access.user, "orc");
    assert_eq!(config.topology_access.password.reveal(), "s;cr#t \"1\" ");
    assert_eq!(findings, []);
}

#[test]
fn a_credentials_file_may_name_a_variable_and_may_give_only_one_of_the_two() {
    let (config, _) = on_host(WITH_FILE, Ok("[client]\npassword=${ORC_PASSWORD}\r\n")).expect("accepted");
    assert_eq!(config.topology_access.user, "json");
    assert_eq!(config.topology_access.password.reveal(), "from-env");
}

#[test]
fn a_credentials_file_that_cannot_be_used_is_refused_without_showing_its_text() {
    let cases = [
        (Err("permission denied"), "cannot read /etc/mysql/orc.cnf: permission denied"),
        (Ok("[client\nuser=x"), "/etc/mysql/orc.cnf:1: the section's ] is missing"),
        (
            Ok("[client]\nuser=x\npassword=hush\\!"),
            "/etc/mysql/orc.cnf:3: after a backslash comes one of n t b \" \\: double a backslash that is meant itself",
        ),
        (Ok("[client]\npassword=\"hush"), "/etc/mysql/orc.cnf:2: the closing quote is missing"),
    ];
    for (credentials, expected) in cases {
        let problems = on_host(WITH_FILE, credentials).expect_err("it cannot be used");
        assert_eq!(problems[0].to_string(), format!("orc.json:2: MySQLTopologyCredentialsConfigFile: {expected}"));
    }
    let (_, findings) = on_host(WITH_FILE, Ok("user=x\n")).expect("accepted");
    assert_eq!(
        findings[0].message,
        "MySQLTopologyCredentialsConfigFile: /etc/mysql/orc.cnf has no user or password in a section [client]"
    );
}

#[test]
fn secrets_do_not_print() {
    let secret = Secret::new("hush");
    assert_eq!(format!("{secret} {secret:?}"), "*** Secret(***)");
    assert_eq!(serde_json::to_string(&secret).expect("a text"), r#""***""#);
    assert_eq!(Secret::default().to_string(), "");

    let text = r#"{"MySQLTopologyPassword": "hush", "HTTPAuthPassword": "hush", "ConsulAclToken": "hush",
        "MySQLOrchestratorPassword": "hush", "OAuthClientSecret": "hush"}"#;
    let loaded = accept(text);
    assert!(!loaded.config.dump_json().contains("hush"));
    assert!(!format!("{loaded:?}").contains("hush"));
    assert!(!format!("{:?}", loaded.config.auth).contains("hush"));
    assert_eq!(
        refuse(r#"{"MySQLTopologyPassword": 12345}"#),
        "orc.json:1: MySQLTopologyPassword: expected a text in quotes, found something else"
    );
}
