// SPDX-License-Identifier: GPL-2.0

//! Mount parameters.
//!
//! C header: `include/linux/fs_parser.h`.

use super::ids::{Kgid, Kuid};
use crate::bindings;
use kernel::prelude::*;
use kernel::str::as_char_ptr_in_const_context;

/// What kind of value a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterKind {
    /// None.
    Flag,
    /// A string.
    String,
    /// A number in octal.
    Octal,
    /// A user id, in the mounter's user namespace.
    Uid,
    /// A group id, in the mounter's user namespace.
    Gid,
}

/// The value of a parameter, as its kind says.
pub(crate) enum ParameterValue<'a> {
    /// The parameter was given.
    Flag,
    /// The string as given.
    String(&'a CStr),
    /// The number.
    Number(u32),
    /// The user.
    Uid(Kuid),
    /// The group.
    Gid(Kgid),
}

/// A table of parameters that the VFS's parser understands.
///
/// # Invariants
///
/// `specs` ends with an entry whose name is null; each other entry has the `opt` of its index, and
/// the type function of `kinds` at that index.
///
/// # Examples
///
/// ```
/// use crate::vfs::{ParameterKind, ParameterTable};
///
/// static PARAMETERS: ParameterTable = ParameterTable::new()
///     .with(c"mode", ParameterKind::Octal)
///     .with(c"quiet", ParameterKind::Flag);
/// ```
pub(crate) struct ParameterTable {
    specs: [bindings::fs_parameter_spec; Self::CAPACITY + 1],
    kinds: [ParameterKind; Self::CAPACITY],
    len: u8,
}

// SAFETY: The table is immutable, and its names are `'static`.
unsafe impl Sync for ParameterTable {}

impl ParameterTable {
    const CAPACITY: usize = 32;

    /// An empty table.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The first entry's name is null.
        Self {
            specs: pin_init::zeroed(),
            kinds: [ParameterKind::Flag; Self::CAPACITY],
            len: 0,
        }
    }

    /// The table with one more parameter, whose index is the number of those before it.
    ///
    /// Meant for constants: a table that grows over its capacity does not compile there.
    pub(crate) const fn with(mut self, name: &'static CStr, kind: ParameterKind) -> Self {
        let at = self.len as usize;
        let spec = &mut self.specs[at];
        spec.name = as_char_ptr_in_const_context(name);
        spec.opt = self.len;
        match kind {
            ParameterKind::Flag => {}
            ParameterKind::String => spec.type_ = Some(bindings::fs_param_is_string),
            ParameterKind::Octal => {
                spec.type_ = Some(bindings::fs_param_is_u32);
                spec.data = core::ptr::without_provenance(8);
            }
            ParameterKind::Uid => spec.type_ = Some(bindings::fs_param_is_uid),
            ParameterKind::Gid => spec.type_ = Some(bindings::fs_param_is_gid),
        }
        // INVARIANT: `specs` has one entry more than `kinds`, so the one after this is still null.
        self.kinds[at] = kind;
        // The capacity, which was not exceeded, is less than fits.
        self.len = self.len.wrapping_add(1);
        self
    }

    pub(super) fn as_ptr(&self) -> *const bindings::fs_parameter_spec {
        self.specs.as_ptr()
    }

    /// Parses one parameter as `fs_parse()`: its index in the table and its value.
    ///
    /// Fails with `ENOPARAM` where the table does not know it, with `EINVAL` for a bad value; then
    /// the context's log names it.
    ///
    /// # Safety
    ///
    /// `fc` and `param` must be what the VFS passed to `parse_param`.
    pub(super) unsafe fn parse<'a>(
        &self,
        fc: *mut bindings::fs_context,
        param: *mut bindings::fs_parameter,
    ) -> Result<(usize, ParameterValue<'a>)> {
        let mut result = bindings::fs_parse_result::default();
        // SAFETY: `fc` and `param` are valid by the caller's promise, and `specs` is terminated by
        // the type invariants.
        let index =
            unsafe { bindings::__fs_parse(&mut (*fc).log, self.as_ptr(), param, &mut result) };
        let index = usize::try_from(index).map_err(|_| Error::from_errno(index))?;

        let kind = self.kinds.get(index).ok_or(EINVAL)?;
        // SAFETY: `__fs_parse` succeeded, so by the type invariants it has set the member of
        // `result` that belongs to the kind, or found a string in `param`, which lives for `'a`.
        let value = unsafe {
            let value = &result.__bindgen_anon_1;
            match kind {
                ParameterKind::Flag => ParameterValue::Flag,
                ParameterKind::String => {
                    ParameterValue::String(CStr::from_char_ptr((*param).__bindgen_anon_1.string))
                }
                ParameterKind::Octal => ParameterValue::Number(value.uint_32),
                ParameterKind::Uid => ParameterValue::Uid(Kuid::from_raw(value.uid)),
                ParameterKind::Gid => ParameterValue::Gid(Kgid::from_raw(value.gid)),
            }
        };
        Ok((index, value))
    }
}
