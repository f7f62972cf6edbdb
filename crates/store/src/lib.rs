//! The only crate with a database: schema, deterministic commands, queries.
