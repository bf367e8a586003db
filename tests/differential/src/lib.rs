//! What the cases stand on, for this program and for others that compare two file systems.

pub mod calls;
pub mod harness;
