// SPDX-License-Identifier: GPL-2.0
//! An end of a test that is no verdict.

use anyhow::Result;
use std::fmt::{self, Display, Formatter};

/// Why a test has no place on this machine.
#[derive(Debug)]
pub struct Skip(pub String);

impl Display for Skip {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// The options that this kernel was built without, of those that the module can do without.
pub fn lacking() -> String {
    std::env::var("RTMPFS_LACKS").unwrap_or_default()
}

/// Whether one of them is this.
pub fn lacks(option: &str) -> bool {
    lacking()
        .split_whitespace()
        .any(|lacking| lacking == option)
}

/// Skips a test that needs what this kernel was built without.
pub fn without(option: &str) -> Result<()> {
    if lacks(option) {
        return Err(Skip(format!("this kernel was built without CONFIG_{option}")).into());
    }
    Ok(())
}
