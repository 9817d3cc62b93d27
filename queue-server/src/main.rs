//! queue-server
fn main() {}
