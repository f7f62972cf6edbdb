//! What a returned primary had beyond its successor is kept until somebody takes note of it.

use super::*;
use crate::{NewDivergence, Retention};

fn found(gtids: &str, moment: Timestamp) -> Command {
    Command::RecordDivergence(NewDivergence {
        key: db(1),
        uuid: topology::ServerUuid::new("3e11fa47-71ca-11e1-9e33-c80aa9429562"),
        primary: db(2),
        gtids: gtids.to_owned(),
        transactions: 2,
        changes: 3,
        tables: r#"{"app.t":{"insert":3}}"#.to_owned(),
        at: moment,
        ..NewDivergence::default()
    })
}

#[test]
fn it_is_on_record_once_and_stays_until_it_is_acknowledged() {
    let store = memory();
    assert_eq!(apply(&store, found("3e11fa47-71ca-11e1-9e33-c80aa9429562:7-8", at(0))), Applied::Rows(1));
    assert_eq!(apply(&store, found("3e11fa47-71ca-11e1-9e33-c80aa9429562:7-8", at(1))), Applied::Rows(0), "the same");
    let late = at(0).plus(std::time::Duration::from_secs(400 * 86_400));
    apply(&store, Command::Expire { now: late, retention: Retention::default() });
    let [kept] = store.divergences(false).unwrap().try_into().expect("one record");
    assert_eq!((kept.found.transactions, kept.found.changes, kept.found.key), (2, 3, db(1)));
    let acknowledge = |id| Command::AcknowledgeDivergence {
        id,
        owner: "o".to_owned(),
        comment: "merged by hand".to_owned(),
        at: at(9),
    };
    assert_eq!(apply(&store, acknowledge(kept.id + 1)), Applied::Rows(0), "there is none");
    assert_eq!(apply(&store, acknowledge(kept.id)), Applied::Rows(1));
    assert_eq!(apply(&store, acknowledge(kept.id)), Applied::Rows(0), "somebody did");
    assert!(store.divergences(false).unwrap().is_empty());
    let all = store.divergences(true).unwrap();
    assert_eq!(all[0].acknowledged.as_ref().map(|note| note.comment.as_str()), Some("merged by hand"));
    // Diverging once more in the same way is news again.
    assert_eq!(apply(&store, found("3e11fa47-71ca-11e1-9e33-c80aa9429562:7-8", at(10))), Applied::Rows(1));
    apply(&store, Command::Expire { now: late, retention: Retention::default() });
    assert_eq!(store.divergences(true).unwrap().len(), 1, "what was acknowledged ages");
}
