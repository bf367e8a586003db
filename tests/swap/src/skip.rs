// SPDX-License-Identifier: GPL-2.0
//! An end of a test that is no verdict.

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
