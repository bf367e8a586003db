// SPDX-License-Identifier: GPL-2.0

//! A raw profile of a loaded module, without any help of the module: its sections are read from
//! the kernel's memory, and written as the compiler's run time does it for a program.
//!
//! The counters are no atomics and count on while they are read. A sum may be a little off; a line
//! that was reached has a counter above zero all the same.

use anyhow::{bail, Context, Result};
use object::{Object, ObjectSection};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Is there while the module is loaded.
pub const LOADED: &str = "/sys/module/rtmpfs";

/// "\xfflprofr\x81", of a machine of 64 bits.
const MAGIC: u64 = 0xff6c_7072_6f66_7281;
/// Of LLVM 19. Another LLVM's llvm-profdata says that it is the wrong one.
const VERSION: u64 = 10;
/// The highest kind of values that a profile of this version may have.
const LAST_VALUE_KIND: u64 = 2;
/// What the section of data has for each function.
const DATA_RECORD: u64 = 64;
const COUNTER: u64 = 8;

struct Section {
    address: u64,
    bytes: Vec<u8>,
}

/// Reads a section of the loaded module. Its size is that in the file, its address sysfs knows.
fn section(
    file: &object::File<'_>,
    memory: &File,
    segments: &[Segment],
    name: &str,
) -> Result<Section> {
    let size = file
        .section_by_name(name)
        .with_context(|| format!("the module has no section {name}; was it built with COVERAGE?"))?
        .size();
    let address = fs::read_to_string(format!("{LOADED}/sections/{name}"))
        .with_context(|| format!("the address of {name}"))?;
    let address = u64::from_str_radix(address.trim().trim_start_matches("0x"), 16)?;
    let offset = segments
        .iter()
        .find_map(|segment| segment.offset_of(address, size))
        .with_context(|| format!("/proc/kcore does not show {address:#x}"))?;
    let mut bytes = vec![0; usize::try_from(size)?];
    memory.read_exact_at(&mut bytes, offset)?;
    Ok(Section { address, bytes })
}

/// What /proc/kcore says of a part of the kernel's memory.
struct Segment {
    address: u64,
    size: u64,
    offset: u64,
}

impl Segment {
    fn offset_of(&self, address: u64, size: u64) -> Option<u64> {
        let within = address.checked_sub(self.address)?;
        (within.checked_add(size)? <= self.size).then(|| self.offset + within)
    }
}

/// The program headers of a core file, which is ELF of 64 bits and little endian here.
fn segments(core: &File) -> Result<Vec<Segment>> {
    const LOAD: u32 = 1;
    let mut header = [0; 64];
    core.read_exact_at(&mut header, 0)?;
    let long = |bytes: &[u8], at: usize| -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    };
    let short = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let (table, entry, count) = (long(&header, 32), short(54), short(56));
    let mut found = Vec::new();
    for number in 0..count {
        let mut entry_bytes = [0; 56];
        core.read_exact_at(
            &mut entry_bytes,
            table + u64::from(number) * u64::from(entry),
        )?;
        if u32::from_le_bytes(entry_bytes[..4].try_into()?) == LOAD {
            found.push(Segment {
                offset: long(&entry_bytes, 8),
                address: long(&entry_bytes, 16),
                size: long(&entry_bytes, 40),
            });
        }
    }
    Ok(found)
}

/// Writes the profile of what is loaded now to `folder`; nothing, if nothing is loaded. A later
/// profile of the same module while it stays loaded takes the place of an earlier one.
pub fn save(module: &Path, folder: &Path) -> Result<()> {
    let load = match fs::metadata(LOADED) {
        Ok(metadata) => metadata.ino(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context(LOADED),
    };
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;

    let bytes = fs::read(module).with_context(|| module.display().to_string())?;
    let file = object::File::parse(&*bytes)?;
    let memory = File::open("/proc/kcore").context("/proc/kcore")?;
    let segments = segments(&memory)?;
    let read = |name| section(&file, &memory, &segments, name);
    let (data, counters, names) = (
        read("__llvm_prf_data")?,
        read("__llvm_prf_cnts")?,
        read("__llvm_prf_names")?,
    );
    let (data_size, counters_size, names_size) = (
        data.bytes.len() as u64,
        counters.bytes.len() as u64,
        names.bytes.len() as u64,
    );
    if data_size % DATA_RECORD != 0 || counters_size % COUNTER != 0 {
        bail!("{data_size} bytes of data and {counters_size} of counters are not those of this version");
    }

    let header = [
        MAGIC,
        VERSION,
        0, // binary identities
        data_size / DATA_RECORD,
        0, // padding before the counters
        counters_size / COUNTER,
        0, // padding after them
        0, // bytes of bitmaps
        0, // padding after them
        names_size,
        counters.address.wrapping_sub(data.address),
        0u64.wrapping_sub(data.address), // there are no bitmaps
        names.address,
        0, // virtual tables
        0, // their names
        LAST_VALUE_KIND,
    ];
    let mut profile: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    for section in [&data, &counters, &names] {
        profile.extend_from_slice(&section.bytes);
    }
    profile.resize(profile.len().next_multiple_of(8), 0);

    // Whole or not at all: the machine may be ended at any time.
    let name = format!("{}-{load}", boot.trim());
    let new = folder.join(format!("{name}.{}", std::process::id()));
    fs::write(&new, profile).with_context(|| new.display().to_string())?;
    fs::rename(&new, folder.join(format!("{name}.profraw")))?;
    Ok(())
}
