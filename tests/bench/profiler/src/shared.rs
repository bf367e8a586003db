// SPDX-License-Identifier: GPL-2.0
//! What two processors that work beside each other have to agree on: the atomic instructions of the kernel, and its
//! stores to cache lines that the other processor stores to as well. Data of one processor, the stack of a task and a
//! file of its own are written by one of them only, and so fall out by themselves.
//!
//! The benchmark executes the mark `NEXT` between one thing that is looked at and the next. For each there is a line
//! `next`, and before it lines `atomic INSTRUCTION EXECUTIONS`, `sections LINE PROCESSOR NUMBER` and `store LINE PROCESSOR
//! INSTRUCTION EXECUTIONS`, by the addresses of the instruction and of the first byte of the cache line. The sections are
//! those parts of all that a processor stored, of [`SECTIONS`] equal ones, in which it stored to the line: memory that
//! is freed by one processor and used again by the other is stored to in few of them, what both count in is in most.
//!
//! Between the marks `KNOWN` and `END` the atomic instructions of user space count as well, so that a program with a known
//! number of them can tell whether the count is right.

use std::collections::HashMap;
use std::ffi::{c_uint, c_void};
use std::io::Write;
use std::sync::{LazyLock, Mutex, MutexGuard};

use crate::api::{self, Block, Id};
use crate::{BEGIN, END, KERNEL, KNOWN, LONGEST, NEXT};

/// Those that are looked at, of which `FIRST` is the first: the one before it has the kernel's own tasks.
const PROCESSORS: usize = 2;
const FIRST: c_uint = 1;
const LINE: u64 = 64;

/// Parts of what a processor does. `bench shared` knows the number, too.
const SECTIONS: u64 = 64;

/// So many stores of a processor are one point of its time: a structure that is filled is stored to once.
const POINT: u64 = 16;

/// What a processor stored to a cache line.
#[derive(Default)]
struct Line {
    /// By instruction.
    stores: HashMap<u64, u64>,
    /// In ascending order, none twice.
    points: Vec<u64>,
}

impl Line {
    /// In how many parts of the processor's time there is a point.
    fn sections(&self, end: u64) -> usize {
        let length = end.div_ceil(SECTIONS).max(1);
        let mut sections: Vec<u64> = self.points.iter().map(|point| point / length).collect();
        sections.dedup();
        sections.len()
    }
}

#[derive(Default)]
struct Processor {
    inside: bool,
    /// Whether user space counts.
    is_known: bool,
    /// All stores so far, which are its time.
    time: u64,
    lines: HashMap<u64, Line>,
}

#[derive(Default)]
struct State {
    is_used: bool,
    atomics: HashMap<u64, u64>,
    processors: [Processor; PROCESSORS],
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
        let [one, other] = &self.processors;
        for (processor, of, beside) in [(0, one, other), (1, other, one)] {
            let end = of.time / POINT + 1;
            for (address, line) in &of.lines {
                if !beside.lines.contains_key(address) {
                    continue;
                }
                let sections = line.sections(end);
                let _ = writeln!(self.found, "sections {address:x} {processor} {sections}");
                for (instruction, executions) in &line.stores {
                    let _ = writeln!(
                        self.found,
                        "store {address:x} {processor} {instruction:x} {executions}"
                    );
                }
            }
        }
        for processor in &mut self.processors {
            (processor.time, processor.lines) = Default::default();
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
                _ if bytes == KNOWN => Some(known),
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
            let is_atomic = is_atomic(bytes);
            if address < KERNEL && !is_atomic {
                continue;
            }
            if is_atomic {
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

impl Processor {
    /// Whether what is at this address counts now.
    fn counts(&self, address: u64) -> bool {
        self.inside && (address >= KERNEL || self.is_known)
    }
}

impl State {
    /// One of the processors that are looked at.
    fn processor(&mut self, vcpu: c_uint) -> Option<&mut Processor> {
        let index = vcpu.checked_sub(FIRST)?;
        self.processors.get_mut(index as usize)
    }
}

/// A region begins or ends.
fn mark(vcpu: c_uint, inside: bool, is_known: bool) {
    if let Some(processor) = state().processor(vcpu) {
        (processor.inside, processor.is_known) = (inside, is_known);
    }
}

unsafe extern "C" fn begun(vcpu: c_uint, _data: *mut c_void) {
    mark(vcpu, true, false);
}

unsafe extern "C" fn known(vcpu: c_uint, _data: *mut c_void) {
    mark(vcpu, true, true);
}

unsafe extern "C" fn ended(vcpu: c_uint, _data: *mut c_void) {
    mark(vcpu, false, false);
}

unsafe extern "C" fn next(_vcpu: c_uint, _data: *mut c_void) {
    state().next();
}

unsafe extern "C" fn atomic(vcpu: c_uint, instruction: *mut c_void) {
    let mut state = state();
    let instruction = instruction as u64;
    if state
        .processor(vcpu)
        .is_some_and(|processor| processor.counts(instruction))
    {
        *state.atomics.entry(instruction).or_default() += 1;
    }
}

unsafe extern "C" fn stored(vcpu: c_uint, _info: u32, address: u64, instruction: *mut c_void) {
    let mut state = state();
    let Some(processor) = state
        .processor(vcpu)
        .filter(|processor| processor.counts(address))
    else {
        return;
    };
    let point = processor.time / POINT;
    processor.time += 1;
    let line = processor.lines.entry(address & !(LINE - 1)).or_default();
    *line.stores.entry(instruction as u64).or_default() += 1;
    if line.points.last() != Some(&point) {
        line.points.push(point);
    }
}

/// Writes what was found; false where something else was looked at.
pub fn write(file: &mut impl Write) -> std::io::Result<bool> {
    let state = state();
    file.write_all(state.found.as_bytes())?;
    Ok(state.is_used)
}
