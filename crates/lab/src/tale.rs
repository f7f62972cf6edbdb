//! A failover told to a person: what happened, when, and what is lost.

use std::time::Duration;

use topology::Timestamp;

use crate::journal::Story;

/// Columns of text that a terminal surely has.
const WIDTH: usize = 100;
/// Columns before a sentence: the time and two spaces.
const MARGIN: usize = 14;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

/// Returns what the manager did, oldest first. The certificate is left out: it deserves a paragraph.
pub fn events(story: &Story) -> Vec<Event> {
    let detected = format!("detected: {} of {}", story.recovery.code, story.recovery.key);
    let mut events = vec![Event { at: story.detected, what: detected }];
    let certificate = format!("; {}", story.certificate);
    let sentences = story.sentences.iter().filter(|sentence| !sentence.message.starts_with("will handle"));
    events.extend(sentences.map(|sentence| {
        let what =
            sentence.message.replace(&certificate, "").replace("nothing to do (none configured)", "none configured");
        Event { at: sentence.at, what }
    }));
    events
}

/// Returns the certificate as a paragraph.
pub fn certificate(story: &Story) -> String {
    wrap("Certificate:  ", &story.certificate.to_string())
}

/// Returns events as lines, each with its milliseconds after `zero`, oldest first.
pub fn timed(mut events: Vec<Event>, zero: Timestamp) -> String {
    events.sort_by_key(|event| event.at);
    let line = |event: &Event| {
        let micros = event.at.0.saturating_sub(zero.0);
        let millis = micros.div_euclid(1000);
        wrap(&format!("{:>9} ms  ", format!("{millis:+}")), &event.what)
    };
    events.iter().map(line).collect()
}

/// Returns a span of time as people say it.
pub fn span(time: Duration) -> String {
    if time < Duration::from_secs(2) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// Returns `text` in lines that fit, the first behind `first`, the others as far in.
fn wrap(first: &str, text: &str) -> String {
    let (mut wrapped, mut column) = (first.to_owned(), first.chars().count());
    for word in text.split_whitespace() {
        let width = word.chars().count() + 1;
        if column + width > WIDTH && column > MARGIN {
            wrapped.truncate(wrapped.trim_end().len());
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(MARGIN));
            column = MARGIN;
        }
        wrapped.push_str(word);
        wrapped.push(' ');
        column += width;
    }
    wrapped.truncate(wrapped.trim_end().len());
    wrapped.push('\n');
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stand_in_the_order_of_time_with_their_distance() {
        let event = |micros, what: &str| Event { at: Timestamp(micros), what: what.to_owned() };
        let text =
            timed(vec![event(4_500, "promoted"), event(1_000, "killed"), event(-400, "written")], Timestamp(1_000));
        let lines = ["       -2 ms  written", "       +0 ms  killed", "       +3 ms  promoted"];
        assert_eq!(text, lines.map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn long_sentences_hang() {
        let text = wrap("       +1 ms  ", &"word ".repeat(40));
        assert!(text.lines().count() > 1);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(text.lines().skip(1).all(|line| line.starts_with(&format!("{}word", " ".repeat(MARGIN)))));
    }

    #[test]
    fn a_word_longer_than_a_line_is_left_whole() {
        let text = wrap("", &"x".repeat(300));
        assert!(text.contains(&"x".repeat(300)));
    }

    #[test]
    fn spans_are_read_easily() {
        assert_eq!(span(Duration::from_millis(143)), "143 ms");
        assert_eq!(span(Duration::from_millis(7_340)), "7.3 s");
    }
}
