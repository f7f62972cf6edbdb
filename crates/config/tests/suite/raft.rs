//! Several managers: the keys that say who they are and how they prove it.

use config::{Config, NoSurroundings, RaftSecurity, Secret, Surroundings};

use crate::{accept, file, findings, refuse};

/// A file with raft enabled and `more`.
fn raft(more: &str) -> String {
    format!("{{\"RaftEnabled\": true, \"RaftDataDir\": \"/raft\"{}{more}}}", if more.is_empty() { "" } else { ",\n" })
}

fn config(more: &str) -> Config {
    accept(&raft(more)).config
}

#[test]
fn the_configuration_of_every_guide_works_and_warns_of_the_open_port() {
    let text = raft(
        "\"RaftBind\": \"orc1\", \"DefaultRaftPort\": 10009, \"RaftNodes\": [\n\"orc3:10009\",\n\"ORC1\",\n\"orc2\"]",
    );
    let config = accept(&text).config;
    let raft = &config.raft;
    assert!(raft.enabled);
    assert_eq!(raft.data_dir.to_str(), Some("/raft"));
    assert_eq!(raft.bind, "orc1:10009");
    assert_eq!(raft.advertise, "orc1:10009", "as RaftBind");
    assert_eq!(raft.nodes, ["orc1:10009", "orc2:10009", "orc3:10009"]);
    assert_eq!(raft.security, RaftSecurity::Plain);
    assert_eq!(
        findings(&text),
        "! orc.json:2: whoever reaches the raft ports can read and command these nodes: set RaftSharedSecret to the same \
         text on every node (openssl rand -hex 32 makes one), or RaftTLSCertFile, RaftTLSPrivateKeyFile and RaftTLSCAFile"
    );
}

#[test]
fn a_node_alone_needs_nothing_but_its_directory() {
    for nodes in ["", "\"RaftNodes\": []", "\"RaftNodes\": [\"127.0.0.1\"]"] {
        assert_eq!(findings(&raft(nodes)), "", "{nodes}");
    }
    assert_eq!(config("").raft.bind, "127.0.0.1:10008");
}

#[test]
fn without_raft_its_keys_are_not_judged() {
    let text = r#"{"RaftNodes": ["a", "a", ":"], "RaftSharedSecret": "short", "RaftTLSCAFile": "/ca.pem"}"#;
    assert_eq!(findings(text), "");
    assert!(!accept(text).config.raft.enabled);
}

#[test]
fn what_cannot_be_is_refused() {
    let cases = [
        ("\"RaftBind\": \"\"", "orc.json:2: RaftEnabled needs RaftBind: set it to the host[:port] to listen on"),
        (
            "\"RaftBind\": \"orc1:x\"",
            "orc.json:2: RaftBind: expected host[:port], found \"orc1:x\": the port is not a number from 1 to 65535",
        ),
        (
            "\"RaftAdvertise\": \"::1:10008:\"",
            "orc.json:2: RaftAdvertise: expected host[:port], found \"::1:10008:\": an IPv6 address with a port stands in \
             brackets",
        ),
        (
            "\"RaftNodes\": [\"127.0.0.1\", \"http:/orc2\"]",
            "orc.json:2: RaftNodes: expected host[:port], found \"http:/orc2\": the port is not a number from 1 to 65535",
        ),
        ("\"RaftNodes\": [\"127.0.0.1\", \"127.0.0.1\"]", "orc.json:2: RaftNodes: \"127.0.0.1\" is there twice"),
        (
            "\"RaftNodes\": [\"127.0.0.1\", \"orc2\", \"Orc2:10008\"]",
            "orc.json:2: RaftNodes: \"orc2\" and \"Orc2:10008\" are the same node, orc2:10008: keep one",
        ),
        (
            "\"RaftBind\": \"0.0.0.0\", \"RaftNodes\": [\"orc1\", \"orc2\"]",
            "orc.json:2: the other nodes cannot reach this one at 0.0.0.0:10008: set RaftAdvertise to its address as \
             RaftNodes has it",
        ),
        (
            "\"RaftBind\": \"[::]\", \"RaftNodes\": [\"orc1\", \"orc2\"]",
            "orc.json:2: the other nodes cannot reach this one at [::]:10008: set RaftAdvertise to its address as \
             RaftNodes has it",
        ),
        (
            "\"RaftSharedSecret\": \"0123456789abcdef\", \"RaftTLSCAFile\": \"/ca.pem\"",
            "orc.json:2: RaftSharedSecret and RaftTLSCAFile exclude each other: choose one way",
        ),
        (
            "\"RaftTLSPrivateKeyFile\": \"/key.pem\"",
            "orc.json:2: RaftTLSPrivateKeyFile needs RaftTLSCertFile and RaftTLSCAFile: set all three",
        ),
        (
            "\"RaftSharedSecret\": \"fifteen letters\"",
            "orc.json:2: RaftSharedSecret: 15 characters can be guessed, 16 is the least: make one with: openssl rand -hex \
             32, and give it to every node",
        ),
        ("\"DefaultRaftPort\": 0", "orc.json:2: DefaultRaftPort must be at least 1, found 0"),
    ];
    for (more, expected) in cases {
        assert_eq!(refuse(&raft(more)), expected, "{more}");
    }
    assert_eq!(refuse("{\"RaftEnabled\": true}"), "orc.json:1: RaftEnabled needs RaftDataDir: set it to a directory");
}

#[test]
fn a_node_that_raft_nodes_does_not_have_is_told() {
    let text = raft(
        "\"RaftSharedSecret\": \"0123456789abcdef\",\n\"RaftBind\": \"10.0.0.1\", \"RaftNodes\": [\"orc1\", \"orc2\"]",
    );
    assert_eq!(
        findings(&text),
        "! orc.json:3: RaftNodes does not have this node, 10.0.0.1:10008: set RaftAdvertise to what RaftNodes calls it \
         (names are compared as they are written), unless it is to be added to a running cluster"
    );
    let text = raft(
        "\"RaftSharedSecret\": \"0123456789abcdef\", \"RaftBind\": \"0.0.0.0\", \"RaftAdvertise\": \"orc1\",\n\
         \"RaftNodes\": [\"orc1\", \"orc2\"]",
    );
    assert_eq!(findings(&text), "", "it may listen everywhere");
}

#[test]
fn nodes_prove_who_they_are_by_a_secret_or_by_certificates() {
    let by_secret = config("\"RaftSharedSecret\": \"0123456789abcdef\"");
    assert_eq!(by_secret.raft.security, RaftSecurity::Secret(Secret::new("0123456789abcdef")));
    assert!(!by_secret.dump_json().contains("0123456789abcdef"));
    assert!(!format!("{:?}", by_secret.raft).contains("0123456789abcdef"));
    let by_certificate = config(
        "\"RaftTLSCertFile\": \"/cert.pem\", \"RaftTLSPrivateKeyFile\": \"/key.pem\", \"RaftTLSCAFile\": \"/ca.pem\"",
    );
    let expected = RaftSecurity::Certificates {
        certificate: "/cert.pem".into(),
        key: "/key.pem".into(),
        authority: "/ca.pem".into(),
    };
    assert_eq!(by_certificate.raft.security, expected);
}

/// An environment in which every variable has this content.
struct Variable(Option<&'static str>);

impl Surroundings for Variable {
    fn variable(&self, _name: &str) -> Option<String> {
        self.0.map(str::to_owned)
    }

    fn read_file(&self, path: &str) -> Result<String, String> {
        NoSurroundings.read_file(path)
    }
}

#[test]
fn the_secret_can_be_a_variable_which_then_must_be_set() {
    let text = raft("\"RaftSharedSecret\": \"${RAFT_SECRET}\"");
    let parse = |content| config::parse(&[file("orc.json", &text)], &Variable(content));
    let loaded = parse(Some("0123456789abcdef\n")).expect("long enough");
    assert_eq!(loaded.config.raft.security, RaftSecurity::Secret(Secret::new("0123456789abcdef")));
    let advice = "make one with: openssl rand -hex 32, and give it to every node";
    for (content, expected) in [
        (None, "the environment variable RAFT_SECRET is not set or empty"),
        (Some(" \n"), "the environment variable RAFT_SECRET is not set or empty"),
        (Some("too short"), "9 characters can be guessed, 16 is the least"),
    ] {
        let problems = parse(content).expect_err("no secret must not mean no security");
        assert_eq!(problems[0].to_string(), format!("orc.json:2: RaftSharedSecret: {expected}: {advice}"));
    }
}

#[test]
fn the_others_reach_the_api_at_the_raft_host_unless_told_otherwise() {
    let uri = |more: &str| config(more).http_uri();
    assert_eq!(uri("\"RaftBind\": \"orc1:10008\""), "http://orc1:3000");
    assert_eq!(uri("\"RaftBind\": \"0.0.0.0\", \"RaftAdvertise\": \"orc1\""), "http://orc1:3000");
    assert_eq!(uri("\"RaftBind\": \"[::1]:7000\", \"ListenAddress\": \"[::1]:3100\""), "http://[::1]:3100");
    assert_eq!(
        uri("\"RaftBind\": \"orc1\", \"UseSSL\": true, \"SSLCertFile\": \"/c\", \"SSLPrivateKeyFile\": \"/k\""),
        "https://orc1:3000"
    );
    assert_eq!(uri("\"HTTPAdvertise\": \"https://lb.example.com:443\""), "https://lb.example.com:443");
    assert_eq!(
        findings(&raft("\"ListenSocket\": \"/orc.sock\"")),
        "! orc.json:2: with ListenSocket the other raft nodes cannot reach this one's API: set HTTPAdvertise to where they can"
    );
}

#[test]
fn other_nodes_are_named_as_in_the_file() {
    let raft = config("\"DefaultRaftPort\": 7000").raft;
    assert_eq!(raft.address("Orc4"), Ok("orc4:7000".to_owned()));
    assert_eq!(raft.address("orc4:"), Err("the port is not a number from 1 to 65535"));
}
