//! `lab fetch`.

use std::time::Instant;

use anyhow::Result;
use clap::Args;
use lab::{Product, servers};

/// Get all servers that tests, demo and benchmark need (nothing is installed)
#[derive(Debug, Args)]
pub struct Arguments {
    /// Get these only: mysql-9.7, mariadb-10.11, mariadb-11.8
    products: Vec<Product>,
}

/// Runs the command.
pub async fn run(arguments: &Arguments) -> Result<()> {
    let products = if arguments.products.is_empty() { &Product::ALL[..] } else { &arguments.products };
    for product in products {
        let begun = Instant::now();
        servers::ensure(*product).await?;
        println!("{product}: ready ({:.1} s)", begun.elapsed().as_secs_f64());
    }
    Ok(())
}
