// SPDX-License-Identifier: GPL-2.0
//! The part of QEMU's plugin interface (its version 4) that is used here. Debian does not package
//! the header.

use std::ffi::{c_char, c_int, c_uint, c_void};

pub const VERSION: c_int = 4;

/// The callback reads and writes no guest register.
pub const CB_NO_REGS: c_int = 0;

#[repr(C)]
pub struct Block {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Instruction {
    _opaque: [u8; 0],
}

/// Stores, of the accesses to memory.
pub const MEM_W: c_int = 2;

pub type Id = u64;
pub type Execute = unsafe extern "C" fn(vcpu: c_uint, data: *mut c_void);
pub type Access = unsafe extern "C" fn(vcpu: c_uint, info: u32, address: u64, data: *mut c_void);

extern "C" {
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(
        id: Id,
        callback: unsafe extern "C" fn(id: Id, block: *mut Block),
    );
    pub fn qemu_plugin_register_vcpu_tb_exec_cb(
        block: *mut Block,
        callback: Execute,
        flags: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: Execute,
        flags: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: Access,
        flags: c_int,
        kind: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub fn qemu_plugin_register_atexit_cb(
        id: Id,
        callback: unsafe extern "C" fn(id: Id, data: *mut c_void),
        data: *mut c_void,
    );
    pub fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub fn qemu_plugin_tb_vaddr(block: *const Block) -> u64;
    pub fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub fn qemu_plugin_insn_data(
        instruction: *const Instruction,
        buffer: *mut c_void,
        size: usize,
    ) -> usize;
    pub fn qemu_plugin_outs(text: *const c_char);
}
