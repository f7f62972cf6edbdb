//! Tags of instances.

use std::collections::BTreeMap;

use store::Command;
use topology::{Declared, InstanceKey};
use wire::Key;

use crate::answer::{Answer, Reply};
use crate::app::Api;
use crate::call::Call;
use crate::error::Error;
use crate::lookup;
use crate::route::{Route, read, write};

pub(super) fn routes() -> Vec<Route> {
    vec![
        read("tags/{host}/{port}", tags),
        read("tag-value/{host}/{port}", value),
        read("tag-value/{host}/{port}/{tag}", value),
        read("tagged", tagged),
        write("tag/{host}/{port}", put),
        write("tag/{host}/{port}/{tag}/{value}", put),
        write("untag/{host}/{port}", remove),
        write("untag/{host}/{port}/{tag}", remove),
        write("untag-all", remove_everywhere),
        write("untag-all/{tag}/{value}", remove_everywhere),
    ]
}

/// A tag as a request words it: `name`, `name=value`, and in a search `~name` or `!name=value` for those without it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    name: String,
    value: Option<String>,
    absent: bool,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Error> {
        let bare = text.trim();
        let (absent, bare) = match bare.strip_prefix(['~', '!']) {
            Some(rest) => (true, rest),
            None => (false, bare),
        };
        let (name, value) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (bare, None),
        };
        if name.is_empty() {
            return Err(Error::BadParameter(format!("{text:?} names no tag: write name or name=value")));
        }
        Ok(Self { name: name.to_owned(), value, absent })
    }

    /// Returns the tag that a path or a query names; the query counts where there are both.
    fn of(call: &Call) -> Result<Self, Error> {
        match (call.query("tag"), call.param("tag")?, call.param("value")?) {
            ("", name, "") => Self::parse(name),
            ("", name, value) => Ok(Self { value: Some(value.to_owned()), ..Self::parse(name)? }),
            (text, ..) => Self::parse(text),
        }
    }

    fn fits(&self, tags: Option<&BTreeMap<String, String>>) -> bool {
        let found = tags.and_then(|tags| tags.get(&self.name));
        let is_there = found.is_some_and(|found| self.value.as_ref().is_none_or(|value| value == found));
        is_there != self.absent
    }
}

/// Returns the tags of `key` as they stand beside it in a drawing: without a sign of equality where there is no value.
pub(super) fn beside(declared: &Declared, key: &InstanceKey) -> String {
    let tags = declared.tags.get(key).into_iter().flatten();
    let word = |(name, value): (&String, &String)| {
        if value.is_empty() { name.clone() } else { format!("{name}={value}") }
    };
    tags.map(word).collect::<Vec<_>>().join(",")
}

async fn tags(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_show(&api, &api.view(), call.key()?);
    let declared = api.manager.declared();
    let shown = declared.tags.get(&key).into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
    Reply::bare(&shown.collect::<Vec<_>>())
}

async fn value(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_show(&api, &api.view(), call.key()?);
    let wanted = Wanted::of(&call)?;
    let declared = api.manager.declared();
    let found = declared.tags.get(&key).and_then(|tags| tags.get(&wanted.name));
    match found {
        Some(value) => Reply::bare(value),
        None => Err(Error::BadParameter(format!("tag {} not found for {key}", wanted.name))),
    }
}

async fn tagged(api: Api, call: Call) -> Answer {
    let wanted = call.query("tag").split(',').map(Wanted::parse).collect::<Result<Vec<_>, _>>()?;
    let view = api.view();
    let declared = api.manager.declared();
    // A tag may be on a server that was forgotten, or is not found yet.
    let known = view.snapshot.watched.keys().chain(declared.tags.keys());
    let mut found: Vec<&InstanceKey> =
        known.filter(|key| wanted.iter().all(|wanted| wanted.fits(declared.tags.get(*key)))).collect();
    found.sort();
    found.dedup();
    Reply::bare(&found.into_iter().map(Key::from).collect::<Vec<_>>())
}

async fn put(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    let wanted = Wanted::of(&call)?;
    let (name, value) = (wanted.name, wanted.value.unwrap_or_default());
    let message = format!("{key} tagged with {name}={value}");
    api.manager.declare(Command::PutTag { key: key.clone(), name, value, at: api.manager.now() }).await?;
    Reply::ok(message, Key::from(&key))
}

async fn remove(api: Api, call: Call) -> Answer {
    let key = lookup::instance_to_change(&api, &api.view(), call.key()?);
    removed(&api, &Wanted::of(&call)?, Some(&key)).await
}

async fn remove_everywhere(api: Api, call: Call) -> Answer {
    let wanted = Wanted::of(&call)?;
    if wanted.value.is_none() {
        return Err(Error::BadParameter(format!(
            "write {}=value: a tag is not removed from all instances, whatever its value",
            wanted.name
        )));
    }
    removed(&api, &wanted, None).await
}

async fn removed(api: &Api, wanted: &Wanted, only: Option<&InstanceKey>) -> Answer {
    let declared = api.manager.declared();
    let is_meant = |key: &InstanceKey| only.is_none_or(|only| only == key);
    let having = declared.tags.iter().filter(|(key, tags)| is_meant(key) && wanted.fits(Some(tags)));
    let keys: Vec<InstanceKey> = having.map(|(key, _)| key.clone()).collect();
    for key in &keys {
        api.manager.declare(Command::DeleteTag { key: key.clone(), name: wanted.name.clone() }).await?;
    }
    let shown: Vec<Key> = keys.iter().map(Key::from).collect();
    Reply::ok(format!("{} removed from {} instances", wanted.name, shown.len()), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_have_and_and_not() {
        let tags = BTreeMap::from([("role".to_owned(), "backup".to_owned()), ("nightly".to_owned(), String::new())]);
        for (text, fits) in [
            ("role", true),
            ("role=backup", true),
            ("role=report", false),
            ("role=", false),
            ("nightly=", true),
            ("~role", false),
            ("!role=report", true),
            ("~nosuch", true),
        ] {
            assert_eq!(Wanted::parse(text).expect(text).fits(Some(&tags)), fits, "{text}");
        }
        assert!(Wanted::parse("!nosuch").expect("a tag").fits(None));
        for text in ["", "~", "=x", " "] {
            assert!(Wanted::parse(text).is_err(), "{text:?}");
        }
    }
}
