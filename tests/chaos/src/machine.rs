// SPDX-License-Identifier: GPL-2.0
//! What happens to the machine while the workers work: swap and memory come and go, controls change.

use crate::board::{now, Board};
use crate::calls::Step;
use crate::config::{Config, Shared, Swapping};
use anyhow::Result;
use fastrand::Rng;
use stage::machine::{self, Setting};
use stage::map::Map;
use stage::mounted::Mounted;
use stage::switch::Switch;
use stage::{device, group, pages};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What they need to know.
pub struct Scene {
    pub board: &'static Board,
    pub kind: String,
    pub mount: PathBuf,
    pub devices: Vec<PathBuf>,
    pub group: Option<PathBuf>,
    /// Slots of workers.
    pub workers: usize,
    pub size: u64,
    pub limit: u64,
}

/// One of them, in a thread with a slot of its own.
struct Hand {
    scene: Arc<Scene>,
    slot: usize,
    rng: Rng,
}

impl Hand {
    /// Errors are the machine's business: memory may be short, a device busy.
    fn does<T, E>(&self, step: Step, act: impl FnOnce() -> Result<T, E>) -> bool {
        let step = step as usize;
        self.scene.board.slot(self.slot).does(step);
        let failed = act().is_err();
        let error = std::io::Error::last_os_error().raw_os_error();
        let error = if failed { error.unwrap_or(0) } else { 0 };
        self.scene.board.count(step, error);
        !failed
    }

    fn goes_on(&self) -> bool {
        !self.scene.board.is_over()
    }

    fn pause(&mut self, most: u64) {
        self.scene
            .board
            .slot(self.slot)
            .does(Step::Conduct as usize);
        let ms = self.rng.u64(most / 10..=most);
        let end = now() + ms;
        while now() < end && self.goes_on() {
            self.scene.board.sleep(end.saturating_sub(now()).min(500));
            self.scene
                .board
                .slot(self.slot)
                .does(Step::Conduct as usize);
        }
    }

    fn swap(&mut self) {
        let devices = self.scene.devices.clone();
        while self.goes_on() {
            for device in &devices {
                self.pause(1500);
                self.does(Step::Swapoff, || device::off(device));
                self.pause(600);
                let priority = self.rng.i32(0..3);
                self.does(Step::Swapon, || device::on(device, Some(priority)));
            }
        }
    }

    fn memory(&mut self) {
        while self.goes_on() {
            self.pause(700);
            let mib = self.rng.u64(1..8);
            let amount = format!("{mib}M");
            match (self.rng.u8(0..8), self.scene.group.clone()) {
                (0, _) => {
                    let what = self.rng.u8(1..4);
                    self.does(Step::DropCaches, || {
                        machine::write("/proc/sys/vm/drop_caches", &what.to_string())
                    });
                }
                (1, _) => {
                    self.does(Step::Compact, || {
                        machine::write("/proc/sys/vm/compact_memory", "1")
                    });
                }
                (2, Some(group)) => {
                    let most = self.rng.u64(self.scene.limit / 2..=self.scene.limit * 2);
                    self.does(Step::Limit, || {
                        machine::write(group.join("memory.max"), &format!("{most}M"))
                    });
                }
                (3, Some(group)) => {
                    let most = self.rng.u64(self.scene.limit / 3..=self.scene.limit * 2);
                    self.does(Step::Limit, || {
                        machine::write(group.join("memory.high"), &format!("{most}M"))
                    });
                }
                (4, Some(group)) => {
                    let most = if self.rng.bool() {
                        "max".into()
                    } else {
                        amount
                    };
                    self.does(Step::Limit, || {
                        machine::write(group.join("memory.swap.max"), &most)
                    });
                }
                (_, Some(group)) => {
                    self.does(Step::Reclaim, || {
                        machine::write(group.join("memory.reclaim"), &amount)
                    });
                }
                (_, None) => {
                    self.does(Step::Reclaim, || group::reclaim_machine(mib));
                }
            }
        }
    }

    fn huge(&mut self) {
        const TOP: &str = "/sys/kernel/mm/transparent_hugepage";
        let ours = format!("{TOP}/shmem_enabled");
        let set = |name: &str, value: &str| Setting::new(&format!("{TOP}/{name}"), value);
        // Their values of before come back when these are dropped.
        let _settings = [
            set("khugepaged/scan_sleep_millisecs", "10"),
            set("khugepaged/alloc_sleep_millisecs", "10"),
            set("khugepaged/pages_to_scan", "8192"),
            set("khugepaged/defrag", "1"),
            set("enabled", "always"),
            set("shmem_enabled", "advise"),
        ];
        let sizes: Vec<String> = std::fs::read_dir(TOP)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                Some(
                    entry
                        .ok()?
                        .path()
                        .join("shmem_enabled")
                        .to_string_lossy()
                        .into_owned(),
                )
            })
            .filter(|path| Path::new(path).exists())
            .collect();
        let _before: Vec<_> = sizes
            .iter()
            .map(|path| Setting::new(path, "never"))
            .collect();
        while self.goes_on() {
            self.pause(400);
            if sizes.is_empty() || self.rng.bool() {
                let value = ["always", "within_size", "advise", "never", "deny", "force"]
                    [self.rng.usize(0..6)];
                self.does(Step::Control, || machine::write(&ours, value));
            } else {
                let path = &sizes[self.rng.usize(0..sizes.len())];
                let value =
                    ["always", "within_size", "advise", "never", "inherit"][self.rng.usize(0..5)];
                self.does(Step::Control, || machine::write(path, value));
            }
        }
    }

    /// The value of before comes back with what holds it.
    fn switch(&mut self) {
        let mut on = false;
        while self.goes_on() {
            self.pause(300);
            on = !on;
            let value = if on { "1" } else { "0" };
            self.does(Step::Switch, || {
                machine::write(Switch::SharedMemory.path(), value)
            });
        }
    }

    fn remount(&mut self) {
        use nix::mount::{mount, MsFlags};
        let scene = self.scene.clone();
        let again = |flags, options: String| {
            let flags = MsFlags::MS_REMOUNT | flags;
            mount(
                Some("swap"),
                &scene.mount,
                Some(scene.kind.as_str()),
                flags,
                Some(options.as_str()),
            )
        };
        while self.goes_on() {
            self.pause(900);
            let size = self.rng.u64(4..=scene.size);
            let options = match self.rng.u8(0..6) {
                0 => {
                    // Files that are open for writing keep it from that, mostly.
                    self.does(Step::Remount, || again(MsFlags::MS_RDONLY, String::new()));
                    self.pause(100);
                    String::new()
                }
                1 => {
                    let huge = ["never", "always", "within_size", "advise"];
                    format!("huge={}", huge[self.rng.usize(0..huge.len())])
                }
                2 => format!("nr_inodes={}", self.rng.u64(100..400)),
                3 => format!(
                    "size={size}m,nr_inodes={},huge=always",
                    self.rng.u64(100..400)
                ),
                _ => format!("size={size}m"),
            };
            self.does(Step::Remount, || again(MsFlags::empty(), options));
        }
        let _ = again(MsFlags::empty(), format!("size={}m", scene.size));
    }

    /// Mounts that are there for a moment only, with pages in swap.
    fn others(&mut self) {
        while self.goes_on() {
            self.pause(500);
            let kind = self.scene.kind.clone();
            let id = self.rng.u64(1..1 << 40);
            self.does(Step::OtherMount, || -> Result<()> {
                let mount = Mounted::new(&kind, "size=4m")?;
                let file = pages::create(&mount.file("file"))?;
                pages::write(&file, id, 0, 128, 1)?;
                Map::first(&file, 128)?.advise_all(libc::MADV_PAGEOUT)?;
                if let Err(error) = pages::verify(&file, id, 0, 64, |_| 1) {
                    self.scene.board.wrong(&format!("another mount: {error:#}"));
                }
                drop(file);
                // It may be busy for as long as a fork of another holds on to it.
                mount.unmount_when_free()
            });
        }
    }

    /// Looks at the workers through /proc, and moves their memory between nodes.
    fn look(&mut self) {
        while self.goes_on() {
            self.pause(400);
            let process = self
                .scene
                .board
                .slot(self.rng.usize(0..self.scene.workers))
                .process();
            if process == 0 {
                continue;
            }
            let path = format!("/proc/{process}");
            match self.rng.u8(0..6) {
                0 => {
                    self.does(Step::Look, || {
                        machine::write(format!("{path}/clear_refs"), "1")
                    });
                }
                1 => {
                    self.does(Step::Look, || {
                        machine::write(format!("{path}/clear_refs"), "4")
                    });
                }
                2 => {
                    let (from, to) = if self.rng.bool() {
                        (1_u64, 2_u64)
                    } else {
                        (2, 1)
                    };
                    self.does(Step::Migrate, || {
                        // SAFETY: the masks have as many bits as are said.
                        crate::call::check(unsafe {
                            libc::syscall(
                                libc::SYS_migrate_pages,
                                process,
                                64_u64,
                                &raw const from,
                                &raw const to,
                            )
                        })
                    });
                }
                n => {
                    let name = ["smaps", "numa_maps", "smaps_rollup"][usize::from(n) - 3];
                    self.does(Step::Look, || machine::read(format!("{path}/{name}")));
                }
            }
        }
    }
}

/// In a process of its own, whose threads have the slots from `slot` on.
pub fn run(scene: Scene, config: &Config, slot: usize, seed: u64) {
    let mut hands: Vec<fn(&mut Hand)> = vec![Hand::memory, Hand::look];
    if config.swapping != Swapping::Off && config.restless {
        hands.push(Hand::swap);
    }
    if config.awake {
        hands.push(Hand::huge);
    }
    if config.shared == Shared::Changes {
        hands.push(Hand::switch);
    }
    if config.remount {
        hands.push(Hand::remount);
    }
    if config.swapping != Swapping::Off {
        hands.push(Hand::others);
    }
    if let Err(error) = machine::keep_in_memory() {
        scene.board.wrong(&format!("mlockall: {error}"));
    }
    let scene = Arc::new(scene);
    std::thread::scope(|scope| {
        for (n, act) in hands.into_iter().enumerate() {
            let scene = scene.clone();
            scope.spawn(move || {
                let board = scene.board;
                board.slot(slot + n).take_self();
                let mut hand = Hand {
                    scene,
                    slot: slot + n,
                    rng: Rng::with_seed(seed.wrapping_add(n as u64)),
                };
                act(&mut hand);
                board.slot(slot + n).leave();
            });
        }
    });
}
