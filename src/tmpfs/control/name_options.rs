// SPDX-License-Identifier: GPL-2.0

//! Mount options for names: the encoding by which directories may fold case, and whether names have
//! to be valid in it.

use crate::vfs::casefold::{CaseFolding, Encoding, UnicodeVersion};
use crate::vfs::MountContext;
use kernel::prelude::*;

/// What the options have said so far.
#[derive(Default)]
pub(super) struct NameOptions {
    encoding: Option<Encoding>,
    strict: bool,
}

impl NameOptions {
    /// Takes in `casefold`, or `casefold=TEXT`, and loads the encoding. May sleep.
    ///
    /// Fails with `EINVAL`; the log of `cx` says why.
    pub(super) fn set_encoding(&mut self, cx: &MountContext, text: Option<&CStr>) -> Result {
        if self.encoding.is_some() {
            return Err(cx.invalid(fmt!("casefold parameter cannot be specified twice\n")));
        }
        let version = match text {
            None => UnicodeVersion::LATEST,
            Some(text) => parse(cx, text)?,
        };
        self.encoding = Some(
            Encoding::load(version)
                .map_err(|_| cx.invalid(fmt!("Failed loading UTF-8 version: utf8-{version}\n")))?,
        );
        pr_info!("Using encoding : utf8-{version}\n");
        Ok(())
    }

    /// Takes in `strict_encoding`.
    pub(super) fn set_strict(&mut self) {
        self.strict = true;
    }

    /// What the options say to a new mount. Fails with `EINVAL` where there is nothing to be strict
    /// about.
    pub(super) fn take(&mut self) -> Result<Option<CaseFolding>> {
        let strict = self.strict;
        match self.encoding.take() {
            None if strict => {
                pr_err!("strict_encoding option without encoding is forbidden\n");
                Err(EINVAL)
            }
            encoding => Ok(encoding.map(|encoding| CaseFolding { encoding, strict })),
        }
    }
}

fn parse(cx: &MountContext, text: &CStr) -> Result<UnicodeVersion> {
    let bytes = text.to_bytes_with_nul();
    let version = bytes
        .strip_prefix(b"utf8-")
        .and_then(|version| CStr::from_bytes_with_nul(version).ok())
        .ok_or_else(|| {
            cx.invalid(fmt!(
                "Only UTF-8 encodings are supported in the format: utf8-<version number>"
            ))
        })?;
    UnicodeVersion::parse(version)
        .ok_or_else(|| cx.invalid(fmt!("Invalid UTF-8 version: {version}")))
}
