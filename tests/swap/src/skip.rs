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

/// Skips a test that needs what this kernel was built without (RTMPFS_LACKS).
pub fn without(option: &str) -> Result<()> {
    let lacks = std::env::var("RTMPFS_LACKS").unwrap_or_default();
    if lacks.split_whitespace().any(|lacking| lacking == option) {
        return Err(Skip(format!("this kernel was built without CONFIG_{option}")).into());
    }
    Ok(())
}
