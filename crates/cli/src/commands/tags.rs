//! Tags of instances.

use super::{Command, of_instance};
use crate::failure::Failure;
use crate::options::{Options, encoded, required};
use crate::show::{Answer, Lines, key, key_of_details, keys, texts};

const SECTION: &str = "Tags";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(SECTION, "tags", "-i", of_instance!("tags"), texts, "List the tags of an instance"),
    Command::new(
        SECTION,
        "tag-value",
        "-i -tag",
        |options| of_tag("tag-value", options),
        value,
        "Show the value of a tag of an instance; nothing without that tag",
    )
    .tolerating(|message| message.starts_with("tag ") && message.contains(" not found for ")),
    Command::new(
        SECTION,
        "tagged",
        "-tag",
        |options| Ok(format!("tagged?tag={}", wanted(options)?)),
        keys,
        "List the instances with a tag, name or name=value",
    )
    .details("Several tags are separated by commas: all of them. ~name and !name mean the instances without it."),
    Command::new(
        SECTION,
        "tag",
        "-i -tag",
        |options| of_tag("tag", options),
        key_of_details,
        "Give an instance a tag, name or name=value",
    )
    .changing(),
    Command::new(
        SECTION,
        "untag",
        "-i -tag",
        |options| of_tag("untag", options),
        keys_of_details,
        "Take a tag from an instance",
    )
    .changing(),
    Command::new(
        SECTION,
        "untag-all",
        "-tag",
        |options| Ok(format!("untag-all?tag={}", wanted(options)?)),
        keys_of_details,
        "Take a tag, name=value, from all instances",
    )
    .changing(),
];

fn wanted(options: &Options) -> Result<String, Failure> {
    required(&options.tag, "tag").map(encoded)
}

fn of_tag(path: &str, options: &Options) -> Result<String, Failure> {
    Ok(format!("{path}/{}?tag={}", options.instance_path()?, wanted(options)?))
}

fn value(answer: &Answer<'_>) -> Lines {
    Ok(vec![crate::show::text(answer.value).to_owned()])
}

fn keys_of_details(answer: &Answer<'_>) -> Lines {
    Ok(answer.details().as_array().into_iter().flatten().map(key).collect())
}
