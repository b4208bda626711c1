//! raidctl
fn main() {}
