//! A mapping as /proc/self/maps has it.

use std::fmt;

use anyhow::Context;
use stage::switch::device_of_new_files;

use super::map::Map;

pub struct Line {
    pub permissions: String,
    pub offset: u64,
    pub device: u64,
    pub number: u64,
    pub name: String,
}

/// Device and inode number are the file system's affair, and not shown.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x} {}", self.permissions, self.offset, self.name)
    }
}

impl Line {
    /// The file is served by what serves those that are made without a mount now.
    pub fn is_of_new_files(&self) -> anyhow::Result<bool> {
        Ok(self.device == device_of_new_files()?)
    }
}

/// The line of the mapping, or of the first part of it.
pub fn line(map: &Map) -> anyhow::Result<Line> {
    let text = std::fs::read_to_string("/proc/self/maps")?;
    let start = format!("{:x}-", map.start() as usize);
    let line = text.lines().find(|line| line.starts_with(&start));
    parse(line.context("no line of the mapping")?)
}

fn parse(line: &str) -> anyhow::Result<Line> {
    let mut rest = line;
    // The name is the last, and may have spaces in it.
    let mut word = || {
        let (word, after) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
        rest = after;
        word
    };
    let (_, permissions, offset, device, number) = (word(), word(), word(), word(), word());
    let (major, minor) = device.split_once(':').context("device")?;
    Ok(Line {
        permissions: permissions.to_owned(),
        offset: u64::from_str_radix(offset, 16)?,
        device: rustix::fs::makedev(
            u32::from_str_radix(major, 16)?,
            u32::from_str_radix(minor, 16)?,
        ),
        number: number.parse()?,
        name: rest.trim_start().to_owned(),
    })
}
