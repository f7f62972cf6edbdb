//! Gets Debian packages of another suite, and unpacks them into a folder instead of installing them.
//!
//! A server of a newer suite needs a newer libc than this machine may have; unpacked beside the loader of its own suite it
//! runs anywhere. apt does the work with lists, cache and state of its own, so that the machine's are never touched.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::paths::{create_dir, remove_dir};
use crate::process::run;
use crate::product::Product;

const FALLBACK_MIRROR: &str = "http://deb.debian.org/debian";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Packages that only installing needs. `libelogind0` is the alternative to a library of which the first is taken.
const NOT_NEEDED: [&str; 5] = ["perl", "libperl", "debconf", "dpkg", "libelogind"];

/// Downloads the product with all that it depends on and unpacks it into `root`. Whole or not at all: the folder appears
/// when everything is in it. What was downloaded before an interruption is used again. The caller holds the lock.
pub(crate) fn fetch(product: Product, root: &Path) -> Result<()> {
    let work = root.with_extension("fetch");
    let apt = Apt::prepare(product.suite(), work.clone())?;
    tracing::info!(%product, mirror = mirror(), "fetching packages");
    apt.update().with_context(|| {
        format!(
            "no packages for {product}: without network, set {}=/path/to/{}",
            product.program_variable(),
            product.program()
        )
    })?;
    let packages = apt.closure(product.packages())?;
    let debs = apt.download(&packages)?;
    unpack(&debs, root)?;
    remove_dir(&work)
}

fn unpack(debs: &[PathBuf], root: &Path) -> Result<()> {
    let fresh = root.with_extension("new");
    remove_dir(&fresh)?;
    create_dir(&fresh)?;
    for deb in debs {
        run("dpkg-deb", &["-x", path_text(deb)?, path_text(&fresh)?])?;
    }
    remove_dir(root)?;
    fs::rename(&fresh, root).with_context(|| format!("cannot rename {}", fresh.display()))
}

/// apt with a source list, lists, cache and package state of its own, all below one folder.
struct Apt {
    work: PathBuf,
    options: Vec<String>,
}

impl Apt {
    fn prepare(suite: &str, work: PathBuf) -> Result<Self> {
        for folder in ["lists/partial", "cache/archives/partial", "debs"] {
            create_dir(&work.join(folder))?;
        }
        let signed = if Path::new(KEYRING).exists() { format!("[signed-by={KEYRING}] ") } else { String::new() };
        let sources = work.join("sources.list");
        fs::write(&sources, format!("deb {signed}{} {suite} main\n", mirror()))
            .context("cannot write a source list")?;
        fs::write(work.join("status"), "").context("cannot write an empty package state")?;
        let option = |name: &str, value: &Path| format!("-o{name}={}", value.display());
        let options = vec![
            option("Dir::Etc::sourcelist", &sources),
            option("Dir::Etc::sourceparts", Path::new("/dev/null")),
            option("Dir::Etc::preferencesparts", Path::new("/dev/null")),
            option("Dir::State::Lists", &work.join("lists")),
            option("Dir::State::status", &work.join("status")),
            option("Dir::Cache", &work.join("cache")),
            "-oAPT::Sandbox::User=root".to_owned(),
            "-oAcquire::Languages=none".to_owned(),
            "-oAcquire::Retries=2".to_owned(),
            "-oAcquire::http::Timeout=20".to_owned(),
            // Old lists are no better than none: without network this must fail here, and say so.
            "-oAPT::Update::Error-Mode=any".to_owned(),
            "-qq".to_owned(),
        ];
        Ok(Self { work, options })
    }

    fn update(&self) -> Result<()> {
        self.run("apt-get", &["update"]).map(drop)
    }

    /// Returns `packages` and all that they depend on.
    fn closure(&self, packages: &[&str]) -> Result<Vec<String>> {
        let fixed = ["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks"];
        let words = [&fixed[..], &["--no-replaces", "--no-enhances"], packages].concat();
        let text = self.run("apt-cache", &words)?;
        // Packages stand at the start of a line, their relations are indented, virtual packages stand in `<>`.
        let name = |line: &&str| line.starts_with(|letter: char| letter.is_ascii_lowercase());
        let needed = |line: &&str| !NOT_NEEDED.iter().any(|prefix| line.starts_with(prefix));
        let found: Vec<String> = text.lines().filter(name).filter(needed).map(str::to_owned).collect();
        if found.is_empty() { bail!("apt knows none of {}", packages.join(", ")) } else { Ok(found) }
    }

    /// Downloads into the folder `debs` what is not there yet, and returns all files.
    fn download(&self, packages: &[String]) -> Result<Vec<PathBuf>> {
        let dir = self.work.join("debs");
        let words: Vec<&str> = std::iter::once("download").chain(packages.iter().map(String::as_str)).collect();
        self.run("apt-get", &words)?;
        let entries = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
        let mut debs: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        debs.retain(|path| path.extension().is_some_and(|extension| extension == "deb"));
        debs.sort();
        Ok(debs)
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<String> {
        let output = std::process::Command::new(program)
            .args(&self.options)
            .args(words)
            .current_dir(self.work.join("debs"))
            .env("LC_ALL", "C")
            .output()
            .with_context(|| format!("cannot run {program}: only Debian and its children can fetch servers"))?;
        if !output.status.success() {
            bail!("{program} {} failed: {}", words[0], String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Returns the Debian mirror that this machine's apt uses, or Debian's own address.
fn mirror() -> String {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    files.extend(parts.filter_map(|entry| Some(entry.ok()?.path())));
    let known =
        |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "list" || extension == "sources");
    let texts = files.iter().filter(known).filter_map(|path| fs::read_to_string(path).ok());
    texts.filter_map(|text| mirror_in(&text)).next().unwrap_or_else(|| FALLBACK_MIRROR.to_owned())
}

/// Returns the first address in a source list, of either format, that ends in `/debian`: security updates and the
/// archives of others end otherwise.
fn mirror_in(text: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"));
    let addresses = lines.flat_map(str::split_whitespace).map(|word| word.trim_end_matches('/'));
    addresses.filter(|word| word.contains("://") && word.ends_with("/debian")).map(str::to_owned).next()
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_read_from_both_formats() {
        let modern = "Types: deb\n# URIs: http://old/debian\nURIs: http://mirror.example/debian-security http://mirror.example/debian/\n";
        assert_eq!(mirror_in(modern).as_deref(), Some("http://mirror.example/debian"));
        let classic =
            "# a comment\ndeb [arch=amd64 signed-by=/k.gpg] https://near.example/mirrors/debian bookworm main\n";
        assert_eq!(mirror_in(classic).as_deref(), Some("https://near.example/mirrors/debian"));
    }

    #[test]
    fn other_archives_are_no_mirror() {
        for text in
            ["", "deb http://archive.ubuntu.com/ubuntu noble main", "deb-src http://mirror.example/debian sid main"]
        {
            assert_eq!(mirror_in(text), None, "{text}");
        }
    }
}
