//! The files under test take loom's atomics for those of `core` under `cfg(loom)`; it is set for this crate
//! alone, since outside of a model these atomics do not work.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(loom, CONFIG_KUNIT)");
    println!("cargo::rustc-cfg=loom");
    println!("cargo::rerun-if-changed=build.rs");
}
