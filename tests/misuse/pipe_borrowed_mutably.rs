// SPDX-License-Identifier: GPL-2.0

//! A pipe by a unique reference, while other tasks look at it.
// error: field `pipe` of struct `PipeWriter` is private
// error: method `as_ptr` is private

use crate::vfs::pipe::PipeWriter;

pub(crate) fn as_a_field(pipe: &mut PipeWriter<'_>) {
    let _ = &mut pipe.pipe;
}

pub(crate) fn as_a_pointer(pipe: &mut PipeWriter<'_>) {
    let _ = &mut *pipe.as_ptr();
}
