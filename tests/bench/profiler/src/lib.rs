// SPDX-License-Identifier: GPL-2.0
//! A plugin for QEMU's software emulation that looks at what runs inside the timed regions of the benchmark, and writes
//! it to a file when the machine ends. `out=FILE` counts which guest code runs: a first line `regions N`, then a line
//! `ADDRESS INSTRUCTIONS EXECUTIONS` for each block of guest code. `shared=FILE` counts what processors have to agree
//! on, see the module of that name.

mod api;
mod shared;

use std::collections::HashMap;
use std::ffi::{c_char, c_int, c_uint, c_void, CStr, CString};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, OnceLock};

use api::{Block, Id};

/// QEMU looks this symbol up to learn which interface the plugin was written for.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static qemu_plugin_version: c_int = api::VERSION;

/// The marks that the benchmark executes: `nop dword ptr [rax + displacement]`.
const BEGIN: [u8; 7] = [0x0f, 0x1f, 0x80, 0x01, 0x42, 0x54, 0x52];
const END: [u8; 7] = [0x0f, 0x1f, 0x80, 0x02, 0x42, 0x54, 0x52];
const NEXT: [u8; 7] = [0x0f, 0x1f, 0x80, 0x03, 0x42, 0x54, 0x52];
const KNOWN: [u8; 7] = [0x0f, 0x1f, 0x80, 0x04, 0x42, 0x54, 0x52];
const IDLE: [u8; 7] = [0x0f, 0x1f, 0x80, 0x05, 0x42, 0x54, 0x52];

/// The kernel has the upper half of the addresses.
const KERNEL: u64 = 1 << 63;

/// The longest instruction of the architecture.
const LONGEST: usize = 15;

static INSIDE: AtomicBool = AtomicBool::new(false);
/// User space has nothing to do until the kernel runs.
static IDLING: AtomicBool = AtomicBool::new(false);
static REGIONS: AtomicU64 = AtomicU64::new(0);
static OUTPUT: OnceLock<PathBuf> = OnceLock::new();

/// Executions of each block, by its address and length. The counters live for ever, since
/// translated code refers to them.
type Counters = HashMap<(u64, usize), &'static AtomicU64>;
static COUNTERS: LazyLock<Mutex<Counters>> = LazyLock::new(Default::default);

fn counters() -> std::sync::MutexGuard<'static, Counters> {
    COUNTERS
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// # Safety
///
/// Called by QEMU once, with its own arguments.
#[no_mangle]
pub unsafe extern "C" fn qemu_plugin_install(
    id: Id,
    _info: *const c_void,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let mut looks: Option<Translated> = None;
    for index in 0..usize::try_from(argc).unwrap_or(0) {
        // SAFETY: QEMU passes `argc` C strings.
        let argument = unsafe { CStr::from_ptr(*argv.add(index)) }.to_string_lossy();
        let (kind, path) = argument.split_once('=').unwrap_or((&argument, ""));
        looks = match kind {
            "out" => Some(translated),
            "shared" => Some(shared::translated),
            _ => return refuse(&format!("does not know the argument '{argument}'")),
        };
        if OUTPUT.set(PathBuf::from(path)).is_err() {
            return refuse("looks at one thing at a time");
        }
    }
    let Some(looks) = looks else {
        return refuse("needs out=FILE or shared=FILE");
    };
    // SAFETY: the callbacks have the types and the life time that QEMU asks for.
    unsafe {
        api::qemu_plugin_register_vcpu_tb_trans_cb(id, looks);
        api::qemu_plugin_register_atexit_cb(id, finished, std::ptr::null_mut());
    }
    0
}

/// Is told of each block of guest code that QEMU translates.
type Translated = unsafe extern "C" fn(Id, *mut Block);

fn refuse(reason: &str) -> c_int {
    eprintln!("bench-profiler: {reason}");
    -1
}

unsafe extern "C" fn translated(_id: Id, block: *mut Block) {
    // SAFETY: `block` is valid during this callback, and so are its instructions.
    unsafe {
        let length = api::qemu_plugin_tb_n_insns(block);
        let counter: &'static AtomicU64 = counters()
            .entry((api::qemu_plugin_tb_vaddr(block), length))
            .or_insert_with(|| Box::leak(Box::default()));
        let data = std::ptr::from_ref(counter).cast_mut().cast();
        let callback: api::Execute = match api::qemu_plugin_tb_vaddr(block) {
            ..KERNEL => executed_by_user,
            _ => executed,
        };
        api::qemu_plugin_register_vcpu_tb_exec_cb(block, callback, api::CB_NO_REGS, data);

        for index in 0..length {
            let instruction = api::qemu_plugin_tb_get_insn(block, index);
            let mut bytes = [0u8; 7];
            let size =
                api::qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), bytes.len());
            let marked: api::Execute = match bytes {
                BEGIN if size == BEGIN.len() => begun,
                END if size == END.len() => ended,
                IDLE if size == IDLE.len() => idles,
                _ => continue,
            };
            api::qemu_plugin_register_vcpu_insn_exec_cb(
                instruction,
                marked,
                api::CB_NO_REGS,
                std::ptr::null_mut(),
            );
        }
    }
}

unsafe extern "C" fn executed(_vcpu: c_uint, counter: *mut c_void) {
    IDLING.store(false, Relaxed);
    // SAFETY: `translated` registered this callback with a counter that is never freed.
    count(unsafe { &*counter.cast() });
}

unsafe extern "C" fn executed_by_user(_vcpu: c_uint, counter: *mut c_void) {
    if !IDLING.load(Relaxed) {
        // SAFETY: as above.
        count(unsafe { &*counter.cast() });
    }
}

fn count(counter: &AtomicU64) {
    if INSIDE.load(Relaxed) {
        counter.fetch_add(1, Relaxed);
    }
}

unsafe extern "C" fn idles(_vcpu: c_uint, _data: *mut c_void) {
    IDLING.store(true, Relaxed);
}

unsafe extern "C" fn begun(_vcpu: c_uint, _data: *mut c_void) {
    REGIONS.fetch_add(1, Relaxed);
    INSIDE.store(true, Relaxed);
}

unsafe extern "C" fn ended(_vcpu: c_uint, _data: *mut c_void) {
    INSIDE.store(false, Relaxed);
}

unsafe extern "C" fn finished(_id: Id, _data: *mut c_void) {
    let Some(path) = OUTPUT.get() else { return };
    if let Err(error) = write(path) {
        let text = format!("bench-profiler: cannot write {}: {error}\n", path.display());
        if let Ok(text) = CString::new(text) {
            // SAFETY: a C string that lives through the call.
            unsafe { api::qemu_plugin_outs(text.as_ptr()) };
        }
    }
}

fn write(path: &PathBuf) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    if shared::write(&mut file)? {
        return file.flush();
    }
    writeln!(file, "regions {}", REGIONS.load(Relaxed))?;
    for (&(address, length), counter) in counters().iter() {
        let executions = counter.load(Relaxed);
        if executions > 0 {
            writeln!(file, "{address:x} {length} {executions}")?;
        }
    }
    file.flush()
}
