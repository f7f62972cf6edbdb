//! Checks of the tree and generated pages.
fn main() {}
