//! A memory control group of a case's own.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags};

use super::fs::Fs;

pub struct Group {
    root: PathBuf,
    path: PathBuf,
}

impl Group {
    /// A group with this process in it, or the reason why there is none.
    pub fn enter(fs: &Fs) -> Result<Group, String> {
        let root = fs.point("cgroup");
        nix::mount::mount(
            Some("cgroup2"),
            &root,
            Some("cgroup2"),
            MsFlags::empty(),
            None::<&str>,
        )
        .map_err(|e| format!("no cgroup v2: {e}"))?;
        let group = Group {
            path: root.join(format!("differential-{}", std::process::id())),
            root,
        };
        let controllers = read(&group.root, "cgroup.controllers");
        if !controllers.split_whitespace().any(|c| c == "memory") {
            return Err("cgroup v2 has no memory controller here".to_owned());
        }
        write(&group.root, "cgroup.subtree_control", "+memory");
        if controllers.split_whitespace().any(|c| c == "cpuset") {
            write(&group.root, "cgroup.subtree_control", "+cpuset");
        }
        std::fs::create_dir(&group.path).map_err(|e| format!("mkdir of a cgroup: {e}"))?;
        write(&group.path, "cgroup.procs", &std::process::id().to_string());
        Ok(group)
    }

    pub fn set(&self, file: &str, value: &str) {
        write(&self.path, file, value);
    }

    pub fn get(&self, file: &str) -> String {
        read(&self.path, file)
    }

    /// A figure of memory.stat, in whole MiB: the kernel gathers them in batches per CPU.
    pub fn stat_mib(&self, name: &str) -> u64 {
        let text = self.get("memory.stat");
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        let bytes: u64 = line
            .and_then(|v| v.parse().ok())
            .unwrap_or_else(|| panic!("no {name}"));
        (bytes + (1 << 19)) >> 20
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.path.exists() {
            write(&self.root, "cgroup.procs", &std::process::id().to_string());
            let _ = std::fs::remove_dir(&self.path);
        }
        let _ = nix::mount::umount2(&self.root, MntFlags::MNT_DETACH);
    }
}

fn read(dir: &Path, file: &str) -> String {
    let path = dir.join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write(dir: &Path, file: &str, value: &str) {
    let path = dir.join(file);
    std::fs::write(&path, value).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
