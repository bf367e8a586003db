// SPDX-License-Identifier: GPL-2.0
//! What two processors that work beside each other have to agree on: the atomic instructions of the kernel, and its
//! stores to cache lines that the other processor stores to as well. Data of one processor, the stack of a task and a
//! file of its own are written by one of them only, and so fall out by themselves.
//!
//! The benchmark executes the mark `NEXT` between one thing that is looked at and the next. For each there is a line
//! `next`, and before it lines `atomic INSTRUCTION EXECUTIONS` and `store LINE PROCESSOR INSTRUCTION EXECUTIONS`, by the
//! addresses of the instruction and of the first byte of the cache line.

use std::collections::{HashMap, HashSet};
use std::ffi::{c_uint, c_void};
use std::io::Write;
use std::sync::{LazyLock, Mutex, MutexGuard};

use crate::api::{self, Block, Id};
use crate::{BEGIN, END, LONGEST, NEXT};

const PROCESSORS: usize = 2;
const LINE: u64 = 64;

/// The kernel has the upper half of the addresses.
const KERNEL: u64 = 1 << 63;

#[derive(Default)]
struct State {
    is_used: bool,
    inside: [bool; PROCESSORS],
    atomics: HashMap<u64, u64>,
    /// By cache line and instruction.
    stores: [HashMap<(u64, u64), u64>; PROCESSORS],
    /// What was found, as lines of text.
    found: String,
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(Default::default);

fn state() -> MutexGuard<'static, State> {
    STATE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl State {
    /// The end of what was looked at.
    fn next(&mut self) {
        use std::fmt::Write;
        for (instruction, executions) in self.atomics.drain() {
            // A string takes whatever is written.
            let _ = writeln!(self.found, "atomic {instruction:x} {executions}");
        }
        let [one, other] = std::mem::take(&mut self.stores);
        let lines = |of: &HashMap<(u64, u64), u64>| -> HashSet<u64> {
            of.keys().map(|(line, _)| *line).collect()
        };
        let (by_one, by_other) = (lines(&one), lines(&other));
        for (processor, stores) in [&one, &other].into_iter().enumerate() {
            for ((line, instruction), executions) in stores {
                if by_one.contains(line) && by_other.contains(line) {
                    let _ = writeln!(
                        self.found,
                        "store {line:x} {processor} {instruction:x} {executions}"
                    );
                }
            }
        }
        self.found.push_str("next\n");
    }
}

/// Whether an instruction is atomic: it has the prefix LOCK, or exchanges a register with memory.
const fn is_atomic(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            0xf0 => return true,
            // The other prefixes, those of 64 bits among them.
            0x66 | 0x67 | 0xf2 | 0xf3 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 | 0x40..=0x4f => {}
            // XCHG, whose other operand is memory unless the two upper bits of what follows say a register.
            0x86 | 0x87 => return at + 1 < bytes.len() && bytes[at + 1] >> 6 != 3,
            _ => return false,
        }
        at += 1;
    }
    false
}

const _: () = {
    // lock incl 4(%rdi); lock cmpxchg %rdx,(%rcx); the same with a segment before it; xchg %rax,(%rdi); xchg %cl,(%rax)
    assert!(is_atomic(&[0xf0, 0xff, 0x47, 0x04]));
    assert!(is_atomic(&[0xf0, 0x48, 0x0f, 0xb1, 0x11]));
    assert!(is_atomic(&[0x65, 0xf0, 0x0f, 0xc1, 0x07]));
    assert!(is_atomic(&[0x48, 0x87, 0x07]));
    assert!(is_atomic(&[0x86, 0x08]));
    // xchg %rax,%rdx; incl (%rdi); a move of an 0xf0; nothing
    assert!(!is_atomic(&[0x48, 0x87, 0xd0]));
    assert!(!is_atomic(&[0xff, 0x07]));
    assert!(!is_atomic(&[0xb0, 0xf0]));
    assert!(!is_atomic(&[]));
};

/// # Safety
///
/// Called by QEMU, with a block that is valid during the call.
pub unsafe extern "C" fn translated(_id: Id, block: *mut Block) {
    state().is_used = true;
    // SAFETY: `block` is valid during this callback, and so are its instructions.
    unsafe {
        for index in 0..api::qemu_plugin_tb_n_insns(block) {
            let instruction = api::qemu_plugin_tb_get_insn(block, index);
            let mut bytes = [0u8; LONGEST];
            let size =
                api::qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), bytes.len());
            let bytes = &bytes[..size.min(LONGEST)];
            let address = api::qemu_plugin_insn_vaddr(instruction);
            let mark: Option<api::Execute> = match bytes {
                _ if bytes == BEGIN => Some(begun),
                _ if bytes == END => Some(ended),
                _ if bytes == NEXT => Some(next),
                _ => None,
            };
            let data = address as *mut c_void;
            if let Some(mark) = mark {
                api::qemu_plugin_register_vcpu_insn_exec_cb(
                    instruction,
                    mark,
                    api::CB_NO_REGS,
                    data,
                );
            }
            if address < KERNEL {
                continue;
            }
            if is_atomic(bytes) {
                api::qemu_plugin_register_vcpu_insn_exec_cb(
                    instruction,
                    atomic,
                    api::CB_NO_REGS,
                    data,
                );
            }
            api::qemu_plugin_register_vcpu_mem_cb(
                instruction,
                stored,
                api::CB_NO_REGS,
                api::MEM_W,
                data,
            );
        }
    }
}

unsafe extern "C" fn begun(vcpu: c_uint, _data: *mut c_void) {
    state().inside[vcpu as usize] = true;
}

unsafe extern "C" fn ended(vcpu: c_uint, _data: *mut c_void) {
    state().inside[vcpu as usize] = false;
}

unsafe extern "C" fn next(_vcpu: c_uint, _data: *mut c_void) {
    state().next();
}

unsafe extern "C" fn atomic(vcpu: c_uint, instruction: *mut c_void) {
    let mut state = state();
    if state.inside[vcpu as usize] {
        *state.atomics.entry(instruction as u64).or_default() += 1;
    }
}

unsafe extern "C" fn stored(vcpu: c_uint, _info: u32, address: u64, instruction: *mut c_void) {
    let mut state = state();
    let vcpu = vcpu as usize;
    if state.inside[vcpu] && address >= KERNEL {
        let at = (address & !(LINE - 1), instruction as u64);
        *state.stores[vcpu].entry(at).or_default() += 1;
    }
}

/// Writes what was found; false where something else was looked at.
pub fn write(file: &mut impl Write) -> std::io::Result<bool> {
    let state = state();
    file.write_all(state.found.as_bytes())?;
    Ok(state.is_used)
}
