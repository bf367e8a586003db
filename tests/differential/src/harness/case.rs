//! A case: a name, mount options and the steps.

use stage::switch::Switch;

use super::fs::Fs;
use super::sys::Dir;
use super::trace::Trace;

pub type Done = anyhow::Result<()>;

#[derive(Clone, Copy)]
pub enum Body {
    /// Steps in the root directory of a mount that the runner makes with these options.
    Mounted(&'static str, fn(&mut Trace, &Dir) -> Done),
    /// Steps that make their own mounts.
    Own(fn(&mut Trace, &Fs) -> Done),
    /// Steps on what is tmpfs's with this switch off, and the module's with it on.
    Switched(Switch, fn(&mut Trace, &Fs) -> Done),
}

#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub body: Body,
}

/// Ends a case without a verdict.
pub use stage::skip::Skip;

/// What begins the reason of a skip for want of luck, which may come on one type alone.
pub const BY_CHANCE: &str = "this time";

/// `skip_by_chance!("reason {}", x)`, for what does not depend on the type of the file system.
#[macro_export]
macro_rules! skip_by_chance {
    ($($arg:tt)*) => {
        $crate::skip!("{}, {}", $crate::harness::case::BY_CHANCE, format_args!($($arg)*))
    };
}

/// `skip!("reason {}", x)`
#[macro_export]
macro_rules! skip {
    ($($arg:tt)*) => {
        return Err($crate::harness::case::Skip(format!($($arg)*)).into())
    };
}

/// `cases! { "options" => a, b; own => c; shared => d; mounts => e; }` registers the functions `a` to `e`.
#[macro_export]
macro_rules! cases {
    ($($options:tt => $($name:ident),+ $(,)?;)+) => {
        pub const CASES: &[$crate::harness::case::Case] = &[
            $($($crate::harness::case::Case {
                name: stringify!($name),
                body: $crate::case_body!($options, $name),
            },)+)+
        ];
    };
}

#[macro_export]
macro_rules! case_body {
    (own, $name:ident) => {
        $crate::harness::case::Body::Own($name)
    };
    (shared, $name:ident) => {
        $crate::harness::case::Body::Switched(stage::switch::Switch::SharedMemory, $name)
    };
    (mounts, $name:ident) => {
        $crate::harness::case::Body::Switched(stage::switch::Switch::Mounts, $name)
    };
    ($options:literal, $name:ident) => {
        $crate::harness::case::Body::Mounted($options, $name)
    };
}
