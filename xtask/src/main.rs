//! Checks of the tree, and figures about it.
//!
//! `cargo xtask tidy` checks what neither the compiler nor clippy checks: the edges between our crates, the purity of the
//! core, words, headers, sizes. `cargo xtask sizes` prints a mirror to look into; it never fails.

use std::process::ExitCode;

mod edges;
mod rust;
mod sizes;
mod tidy;
mod tree;

const USAGE: &str = "usage: cargo xtask tidy     check the tree; a line for each finding
       cargo xtask sizes    print sizes of files and functions, tests and documentation";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy(),
        ["sizes"] => {
            print!("{}", sizes::table(&tree::Tree::read()?));
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

fn tidy() -> anyhow::Result<ExitCode> {
    let tree = tree::Tree::read()?;
    let mut findings = tidy::check(&tree);
    findings.extend(edges::check(&edges::packages()?));
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} files, nothing to complain about", tree.files().count());
        Ok(ExitCode::SUCCESS)
    } else {
        println!("tidy: {} findings", findings.len());
        Ok(ExitCode::FAILURE)
    }
}
