//! What the kernel logs while a step runs.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use stage::machine::Expected;

pub struct Kmsg(File);

impl Kmsg {
    /// Starts behind what is already in the log.
    pub fn start() -> std::io::Result<Kmsg> {
        let mut file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Kmsg(file))
    }

    /// The messages since then that begin with the name of this type, each with its priority.
    pub fn of(&mut self, kind: &str) -> Vec<String> {
        let mut messages = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            match self.0.read(&mut buffer) {
                Ok(n) => {
                    let record = String::from_utf8_lossy(&buffer[..n]);
                    let Some((prefix, text)) = record.split_once(';') else {
                        continue;
                    };
                    let text = text.lines().next().unwrap_or_default();
                    if text.starts_with(&format!("{kind}:")) {
                        let priority = prefix.split(',').next().unwrap_or_default();
                        messages.push(format!("<{priority}> {text}"));
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return messages,
                // Overrun: the next read goes on with the oldest message that is left.
                Err(e) if e.raw_os_error() == Some(libc::EPIPE) => {}
                Err(e) => return vec![format!("cannot read the kernel log: {e}")],
            }
        }
    }
}

/// Runs `op`, which makes the kernel log lines that match `pattern`; who reads the log afterwards is told so.
pub fn expecting<T>(pattern: &str, op: impl FnOnce() -> T) -> T {
    // Without the right to write there the lines are merely not announced.
    let _expected = Expected::new(pattern).ok();
    op()
}
