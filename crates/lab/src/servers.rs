//! Server programs to run: unpacked from Debian, or the machine's own.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::paths::{create_dir, lock, servers_dir};
use crate::product::Product;
use crate::template;

/// A server program that is ready to run, with a data directory to copy.
#[derive(Clone, Debug)]
pub struct Installation {
    /// What it is.
    pub product: Product,
    /// The words that start the program; options follow.
    pub(crate) command: Vec<String>,
    /// Options that the program needs to find its own files.
    pub(crate) options: Vec<String>,
    /// Where messages, character sets and system tables are; nothing when the program must know by itself.
    pub(crate) share: Option<PathBuf>,
    /// An initialised data directory with the lab's accounts.
    pub(crate) template: PathBuf,
}

/// Makes the product ready to run: fetches it, unless an environment variable names the machine's own program
/// ([`Product::program_variable`]), and initialises a data directory. Quick when that was done before. Safe to call from
/// several processes at one time: one works, the others wait.
///
/// # Errors
/// Without network and without such a variable; with a text that says what to set.
pub async fn ensure(product: Product) -> Result<Installation> {
    tokio::task::spawn_blocking(move || ensure_now(product)).await.context("the fetching thread was cancelled")?
}

fn ensure_now(product: Product) -> Result<Installation> {
    let servers = servers_dir()?;
    create_dir(&servers)?;
    let _lock = lock(&servers.join(format!("{product}.lock")))?;
    let installation = match env::var_os(product.program_variable()).filter(|path| !path.is_empty()) {
        Some(path) => own(product, Path::new(&path), &servers)?,
        None => fetched(product, &servers)?,
    };
    template::ensure(&installation)?;
    Ok(installation)
}

/// Returns the machine's own program.
fn own(product: Product, program: &Path, servers: &Path) -> Result<Installation> {
    let about = || format!("{}={} is not a server program", product.program_variable(), program.display());
    let program = program.canonicalize().with_context(about)?;
    let file = fs::metadata(&program).with_context(about)?;
    if !file.is_file() {
        bail!(about());
    }
    // A replaced program gets a new data directory: old ones cannot be downgraded.
    let mut hasher = DefaultHasher::new();
    (&program, file.len(), file.modified().ok()).hash(&mut hasher);
    Ok(Installation {
        product,
        command: vec![program.display().to_string()],
        options: Vec::new(),
        share: own_share(&program),
        template: servers.join(format!("own-{product}-{:016x}", hasher.finish())).join(template::NAME),
    })
}

fn own_share(program: &Path) -> Option<PathBuf> {
    let prefix = program.parent()?.parent()?;
    let places = [prefix, Path::new("/usr"), Path::new("/usr/local")];
    let folders = places.iter().flat_map(|place| ["mysql", "mariadb", ""].map(|name| place.join("share").join(name)));
    folders.into_iter().find(|folder| folder.join("english/errmsg.sys").exists())
}

fn fetched(product: Product, servers: &Path) -> Result<Installation> {
    let root = servers.join(product.name()).join("root");
    if !root.exists() {
        create_dir(&servers.join(product.name()))?;
        debian::fetch(product, &root)?;
    }
    let broken = || format!("{} is not whole: run `lab clean --servers` to fetch it again", root.display());
    let program = root.join("usr/sbin").join(product.program());
    let libraries = multiarch(&root).with_context(broken)?;
    let loader = loader(&root).with_context(broken)?;
    let shares = ["mysql", "mariadb"].map(|name| root.join("usr/share").join(name));
    let share = shares.into_iter().find(|share| share.join("charsets").exists()).with_context(broken)?;
    let old = root.join("lib").join(libraries.file_name().unwrap_or_default());
    let mut options = vec![
        format!("--lc-messages-dir={}", share.display()),
        format!("--character-sets-dir={}/charsets", share.display()),
    ];
    let plugins = root.join("usr/lib/mysql/plugin");
    if plugins.exists() {
        options.push(format!("--plugin-dir={}", plugins.display()));
    }
    Ok(Installation {
        product,
        command: vec![
            loader.display().to_string(),
            "--library-path".to_owned(),
            format!("{}:{}", libraries.display(), old.display()),
            program.display().to_string(),
        ],
        options,
        share: Some(share),
        template: servers.join(product.name()).join(template::NAME),
    })
}

/// Returns the folder of libraries for this processor, such as `usr/lib/x86_64-linux-gnu`.
fn multiarch(root: &Path) -> Option<PathBuf> {
    let mut folders = fs::read_dir(root.join("usr/lib")).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    folders.find(|path| path.to_str().is_some_and(|path| path.ends_with("-linux-gnu")))
}

/// Returns the program loader of the unpacked libc. Before the merge of `/usr` it is in `/lib`.
fn loader(root: &Path) -> Option<PathBuf> {
    let folders = ["usr/lib64", "lib64", "usr/lib", "lib"].map(|folder| root.join(folder));
    let mut files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    files.find_map(|file| {
        let path = file.ok()?.path();
        let name = path.file_name()?.to_str()?;
        (name.starts_with("ld-linux") && path.exists()).then_some(path)
    })
}
