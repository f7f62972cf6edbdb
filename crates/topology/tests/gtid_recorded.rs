//! What a real server answered about GTID sets, and what we answer.
//!
//! To record another version, run the three functions named in the head of the file on its first two columns.

use topology::GtidSet;

#[test]
fn mysql_9_7_agrees_with_us() {
    let recording = include_str!("recorded/gtid_mysql_9.7.tsv");
    let lines: Vec<&str> = recording.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.len() > 100, "the recording is there");
    for line in lines {
        let columns: Vec<String> = line.split('\t').map(|it| it.replace("\\n", "\n").replace("\\t", "\t")).collect();
        let [one, other, recorded @ ..] = columns.as_slice() else { panic!("too few columns: {line}") };
        assert_eq!(answers(one, other), recorded, "{line}");
    }
}

/// Answers as the server does: `GTID_SUBTRACT(one, '')`, `GTID_SUBTRACT(one, other)`, `GTID_SUBSET(one, other)`.
fn answers(one: &str, other: &str) -> [String; 3] {
    let refused = || "refused".to_owned();
    let (one, other) = (GtidSet::parse(one), GtidSet::parse(other));
    let normal = one.as_ref().map_or_else(|_| refused(), ToString::to_string);
    let (Ok(one), Ok(other)) = (one, other) else { return [normal, refused(), refused()] };
    [normal, one.subtract(&other).to_string(), u8::from(other.contains(&one)).to_string()]
}
