// SPDX-License-Identifier: GPL-2.0

//! Mount options.
//!
//! [`OPTIONS`] is all there is to say about an option: its name, its kind, how its value is taken
//! in, what remount may do with it and how `/proc/mounts` shows it, in that order. See
//! `Documentation/filesystems/tmpfs.rst` for their meaning.

use super::name_options::NameOptions;
use crate::mm;
use crate::mm::mempolicy::{self, Policy};
use crate::tmpfs::data::orders;
use crate::tmpfs::pure::huge_policy::HugePolicy;
use crate::tmpfs::pure::inode_limit::MAX_INODES;
use crate::tmpfs::pure::limits::LimitError;
use crate::tmpfs::pure::option_number;
use crate::tmpfs::state::config;
use crate::tmpfs::state::mount::SuperInfo;
use crate::tmpfs::state::quota::QuotaOptions;
use crate::units::{PageCount, PAGE_SHIFT};
use crate::vfs::casefold;
use crate::vfs::ids::{Kgid, Kuid};
use crate::vfs::{Mode, MountContext, ParameterKind, ParameterTable, ParameterValue};
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// Whether inode numbers have 64 bits unless an option says otherwise.
pub(super) const DEFAULT_WIDE_INOS: bool = config::INODE64;

const DEFAULT_MODE: Mode = Mode::from_raw(0o1777);

/// The blocks of a mount without options: half of the memory.
pub(super) fn default_blocks() -> PageCount {
    mm::total_ram_pages().half()
}

/// The inodes of a mount without options: one for each two pages of memory, and none in memory
/// that the kernel cannot address directly.
pub(super) fn default_inodes() -> u64 {
    let pages = mm::total_ram_pages();
    pages
        .saturating_sub(mm::total_high_pages())
        .min(pages.half())
        .to_u64()
}

/// The options of a mount or a remount, as far as they were given.
pub(crate) struct Options {
    /// The limit of blocks; 0 is none.
    pub(super) blocks: Option<PageCount>,
    /// The limit of inodes; 0 is none.
    pub(super) inodes: Option<u64>,
    /// Whether inode numbers may have 64 bits.
    pub(super) wide_inos: Option<bool>,
    /// The memory policy that new files start with; none is the default one, or what it was.
    pub(super) policy: Option<Policy>,
    /// Where there are to be large folios.
    pub(super) huge: Option<HugePolicy>,
    /// Whether pages stay in memory.
    pub(super) without_swap: bool,
    /// Quota of users and groups.
    pub(super) quota: QuotaOptions,
    /// The mode of the root directory.
    pub(super) mode: Mode,
    /// The owner of the root directory.
    pub(super) uid: Kuid,
    /// The group of the root directory.
    pub(super) gid: Kgid,
    /// How names are compared.
    pub(super) names: NameOptions,
}

/// Why a value is not taken.
enum Refusal {
    /// The value makes no sense for the option.
    BadValue,
    /// The machine or the kernel cannot do it.
    Unsupported,
    /// Anything else.
    Because(Reason),
    /// What the mount log names already.
    Logged(Error),
}

/// Why a remount is refused, for the mount log.
type Reason = &'static str;

/// What there is to say about one option.
struct MountOption {
    name: &'static CStr,
    kind: ParameterKind,
    parse: fn(&mut Options, &MountContext, ParameterValue<'_>) -> Result<(), Refusal>,
    /// Whether a live mount can take the option on; the reason where not.
    check: fn(&Options, &SuperInfo) -> Result<(), Reason>,
    /// Changes a live mount; not called where any check has failed.
    apply: fn(&Options, &SuperInfo),
    /// Shows what differs from the default, with a comma before it.
    show: fn(&SuperInfo, &SeqFile),
}

impl MountOption {
    fn name(&self) -> &str {
        self.name.to_str().unwrap_or("?")
    }

    /// An option that has no effect but at mount time and is shown by another.
    const fn new(
        name: &'static CStr,
        kind: ParameterKind,
        parse: fn(&mut Options, &MountContext, ParameterValue<'_>) -> Result<(), Refusal>,
    ) -> Self {
        Self {
            name,
            kind,
            parse,
            check: |_, _| Ok(()),
            apply: |_, _| {},
            show: |_, _| {},
        }
    }
}

/// The option that limits what each user or each group may have, kept in a field of
/// [`QuotaOptions`].
#[cfg(CONFIG_TMPFS_QUOTA)]
macro_rules! hard_limit {
    ($name:literal, $limits:ident.$limit:ident, $too_large:literal) => {
        MountOption {
            check: |options, sb| {
                let wanted = options.quota.$limits.$limit;
                if wanted != 0 && wanted != quota_options(sb).$limits.$limit {
                    return Err("Cannot change global quota limit on remount");
                }
                Ok(())
            },
            show: |sb, seq| {
                let limit = quota_options(sb).$limits.$limit;
                if limit != 0 {
                    seq_print!(seq, ",{}={limit}", $name.to_str().unwrap_or("?"));
                }
            },
            ..MountOption::new($name, ParameterKind::String, |options, _, value| {
                options.quota.$limits.$limit =
                    match option_number::parse_count(string(value)?, u64::MAX) {
                        None | Some(0) => return Err(Refusal::BadValue),
                        Some(limit) if i64::try_from(limit).is_err() => {
                            return Err(Refusal::Because($too_large))
                        }
                        Some(limit) => limit,
                    };
                Ok(())
            })
        }
    };
}

/// The quota options that a mount has; none where it has no quota.
#[cfg(CONFIG_TMPFS_QUOTA)]
fn quota_options(sb: &SuperInfo) -> QuotaOptions {
    sb.quota().map(|quota| *quota.options()).unwrap_or_default()
}

/// Whether a mount may have quota.
#[cfg(CONFIG_TMPFS_QUOTA)]
fn check_may_have_quota(cx: &MountContext) -> Result<(), Refusal> {
    if cx.is_in_init_ns() {
        return Ok(());
    }
    Err(Refusal::Because(
        "Quotas in unprivileged rtmpfs mounts are unsupported",
    ))
}

/// Whether remount may ask for quota: only where there is some.
#[cfg(CONFIG_TMPFS_QUOTA)]
fn may_ask_for_quota(options: &Options, sb: &SuperInfo) -> bool {
    !options.quota.has_any() || sb.quota().is_some()
}

/// All options, in the order in which they are checked and shown.
static OPTIONS: &[MountOption] = &[
    MountOption {
        check: |options, sb| match options
            .blocks
            .map(|max| sb.blocks().check_max(max.to_u64()))
        {
            Some(Err(LimitError::WasUnlimited)) => Err("Cannot retroactively limit size"),
            Some(Err(LimitError::InUse)) => Err("Too small a size for current use"),
            None | Some(Ok(())) => Ok(()),
        },
        apply: |options, sb| {
            if let Some(max) = options.blocks {
                sb.blocks().set_max(max.to_u64());
            }
        },
        show: |sb, seq| {
            let max = PageCount::new(sb.blocks().max());
            if max != default_blocks() {
                seq_print!(seq, ",size={}k", max.shown_kib());
            }
        },
        ..MountOption::new(c"size", ParameterKind::String, |options, _, value| {
            let text = string(value)?;
            let pages = option_number::parse_pages(text, PAGE_SHIFT, mm::total_ram_pages());
            options.blocks = Some(pages.ok_or(Refusal::BadValue)?);
            Ok(())
        })
    },
    // Another way to say `size`, which shows it.
    MountOption::new(c"nr_blocks", ParameterKind::String, |options, _, value| {
        let max = option_number::parse_count(string(value)?, i64::MAX.unsigned_abs());
        options.blocks = Some(PageCount::new(max.ok_or(Refusal::BadValue)?));
        Ok(())
    }),
    MountOption {
        check: |options, sb| match options.inodes.map(|max| sb.inodes().check_max(max)) {
            Some(Err(LimitError::WasUnlimited)) => Err("Cannot retroactively limit inodes"),
            Some(Err(LimitError::InUse)) => Err("Too few inodes for current use"),
            None | Some(Ok(())) => Ok(()),
        },
        apply: |options, sb| {
            if let Some(max) = options.inodes {
                sb.inodes().set_max(max);
            }
        },
        show: |sb, seq| {
            let max = sb.inodes().max();
            if max != default_inodes() {
                seq_print!(seq, ",nr_inodes={max}");
            }
        },
        ..MountOption::new(c"nr_inodes", ParameterKind::String, |options, _, value| {
            let max = option_number::parse_count(string(value)?, MAX_INODES);
            options.inodes = Some(max.ok_or(Refusal::BadValue)?);
            Ok(())
        })
    },
    MountOption {
        show: |sb, seq| {
            if sb.mode != DEFAULT_MODE {
                seq_print!(seq, ",mode={:03o}", sb.mode.as_raw());
            }
        },
        ..MountOption::new(c"mode", ParameterKind::Octal, |options, _, value| {
            let ParameterValue::Number(mode) = value else {
                return Err(Refusal::BadValue);
            };
            options.mode = Mode::from_raw((mode & 0o7777) as u16);
            Ok(())
        })
    },
    MountOption {
        show: |sb, seq| {
            if sb.uid != Kuid::ROOT {
                seq_print!(seq, ",uid={}", sb.uid.in_init_ns());
            }
        },
        ..MountOption::new(
            c"uid",
            ParameterKind::Uid,
            |options, cx, value| match value {
                ParameterValue::Uid(uid) if cx.maps_uid(uid) => {
                    options.uid = uid;
                    Ok(())
                }
                _ => Err(Refusal::BadValue),
            },
        )
    },
    MountOption {
        show: |sb, seq| {
            if sb.gid != Kgid::ROOT {
                seq_print!(seq, ",gid={}", sb.gid.in_init_ns());
            }
        },
        ..MountOption::new(
            c"gid",
            ParameterKind::Gid,
            |options, cx, value| match value {
                ParameterValue::Gid(gid) if cx.maps_gid(gid) => {
                    options.gid = gid;
                    Ok(())
                }
                _ => Err(Refusal::BadValue),
            },
        )
    },
    MountOption {
        check: |options, sb| {
            if options.wide_inos == Some(false) && !sb.could_narrow_inos() {
                return Err("Current inum too high to switch to 32-bit inums");
            }
            Ok(())
        },
        apply: |options, sb| {
            if let Some(wide) = options.wide_inos {
                sb.set_wide_inos(wide);
            }
        },
        show: |sb, seq| {
            // Shown where it is the default too, so that one need not look into the kernel's
            // configuration.
            let wide = sb.has_wide_inos();
            if wide || DEFAULT_WIDE_INOS {
                seq_print!(seq, ",inode{}", if wide { 64 } else { 32 });
            }
        },
        ..MountOption::new(c"inode32", ParameterKind::Flag, |options, _, _| {
            options.wide_inos = Some(false);
            Ok(())
        })
    },
    // Shown by `inode32`.
    MountOption::new(c"inode64", ParameterKind::Flag, |options, _, _| {
        options.wide_inos = Some(true);
        Ok(())
    }),
    MountOption {
        apply: |options, sb| {
            if let Some(policy) = options.huge {
                sb.set_huge(policy);
            }
        },
        // A default of the machine's, which others may not have, shows like an option.
        show: |sb, seq| match sb.huge() {
            HugePolicy::Never | HugePolicy::Fit if !sb.huge_is_given() => {}
            // There is nothing else.
            HugePolicy::Never if !orders::are_supported() => {}
            policy => seq_print!(seq, ",huge={}", policy.name()),
        },
        ..MountOption::new(c"huge", ParameterKind::String, |options, _, value| {
            let policy = HugePolicy::parse(string(value)?).ok_or(Refusal::BadValue)?;
            if policy != HugePolicy::Never && !orders::are_supported() {
                return Err(Refusal::Unsupported);
            }
            options.huge = Some(policy);
            Ok(())
        })
    },
    MountOption {
        apply: |options, sb| {
            if let Some(policy) = &options.policy {
                sb.policy.set(policy.clone());
            }
        },
        show: |sb, seq| {
            if let Some(policy) = sb.policy.get() {
                seq_print!(seq, ",mpol={policy}");
            }
        },
        ..MountOption::new(c"mpol", ParameterKind::String, |options, _, value| {
            if !mempolicy::IS_BUILT_IN {
                return Err(Refusal::Unsupported);
            }
            let ParameterValue::String(text) = value else {
                return Err(Refusal::BadValue);
            };
            options.policy = None;
            options.policy = Policy::parse(text).map_err(|_| Refusal::BadValue)?;
            Ok(())
        })
    },
    MountOption {
        check: |options, sb| {
            // There is no option to switch it off again, so remount cannot switch it on.
            if options.without_swap && !sb.is_without_swap() {
                return Err("Cannot disable swap on remount");
            }
            Ok(())
        },
        show: |sb, seq| {
            if sb.is_without_swap() {
                seq_print!(seq, ",noswap");
            }
        },
        ..MountOption::new(c"noswap", ParameterKind::Flag, |options, cx, _| {
            if !cx.is_privileged() {
                return Err(Refusal::Because(
                    "Turning off swap in unprivileged rtmpfs mounts unsupported",
                ));
            }
            options.without_swap = true;
            Ok(())
        })
    },
    // What concerns names is for the life of a mount: remount takes it and changes nothing.
    MountOption::new(c"casefold", ParameterKind::String, set_encoding),
    MountOption::new(c"casefold", ParameterKind::Flag, set_encoding),
    MountOption::new(c"strict_encoding", ParameterKind::Flag, set_strict_encoding),
    // Shown by those for users and for groups, and checked by the former.
    #[cfg(CONFIG_TMPFS_QUOTA)]
    MountOption::new(c"quota", ParameterKind::Flag, |options, cx, _| {
        check_may_have_quota(cx)?;
        options.quota.users = true;
        options.quota.groups = true;
        Ok(())
    }),
    #[cfg(CONFIG_TMPFS_QUOTA)]
    MountOption {
        check: |options, sb| {
            if !may_ask_for_quota(options, sb) {
                return Err("Cannot enable quota on remount");
            }
            Ok(())
        },
        show: |sb, seq| {
            if quota_options(sb).users {
                seq_print!(seq, ",usrquota");
            }
        },
        ..MountOption::new(c"usrquota", ParameterKind::Flag, |options, cx, _| {
            check_may_have_quota(cx)?;
            options.quota.users = true;
            Ok(())
        })
    },
    // Checked by `usrquota`.
    #[cfg(CONFIG_TMPFS_QUOTA)]
    MountOption {
        show: |sb, seq| {
            if quota_options(sb).groups {
                seq_print!(seq, ",grpquota");
            }
        },
        ..MountOption::new(c"grpquota", ParameterKind::Flag, |options, cx, _| {
            check_may_have_quota(cx)?;
            options.quota.groups = true;
            Ok(())
        })
    },
    #[cfg(CONFIG_TMPFS_QUOTA)]
    hard_limit!(
        c"usrquota_block_hardlimit",
        user_limits.bytes,
        "User quota block hardlimit too large."
    ),
    #[cfg(CONFIG_TMPFS_QUOTA)]
    hard_limit!(
        c"grpquota_block_hardlimit",
        group_limits.bytes,
        "Group quota block hardlimit too large."
    ),
    #[cfg(CONFIG_TMPFS_QUOTA)]
    hard_limit!(
        c"usrquota_inode_hardlimit",
        user_limits.inodes,
        "User quota inode hardlimit too large."
    ),
    #[cfg(CONFIG_TMPFS_QUOTA)]
    hard_limit!(
        c"grpquota_inode_hardlimit",
        group_limits.inodes,
        "Group quota inode hardlimit too large."
    ),
];

/// The options as the VFS's parser sees them.
pub(super) static PARAMETERS: ParameterTable = {
    let mut table = ParameterTable::new();
    let mut at = 0;
    while at < OPTIONS.len() {
        table = table.with(OPTIONS[at].name, OPTIONS[at].kind);
        at += 1;
    }
    table
};

/// Whether there are encodings of names.
fn check_has_encodings() -> Result<(), Refusal> {
    if casefold::IS_BUILT_IN {
        return Ok(());
    }
    Err(Refusal::Because(
        "rtmpfs: Kernel not built with CONFIG_UNICODE\n",
    ))
}

fn set_encoding(
    options: &mut Options,
    cx: &MountContext,
    value: ParameterValue<'_>,
) -> Result<(), Refusal> {
    check_has_encodings()?;
    let version = match value {
        ParameterValue::String(version) => Some(version),
        _ => None,
    };
    let set = options.names.set_encoding(cx, version);
    set.map_err(Refusal::Logged)
}

fn set_strict_encoding(
    options: &mut Options,
    _cx: &MountContext,
    _value: ParameterValue<'_>,
) -> Result<(), Refusal> {
    check_has_encodings()?;
    options.names.set_strict();
    Ok(())
}

/// Whether a comma before `rest` ends an option. It does not before a digit, which may go on with a
/// list of numbers, as a memory policy has them; no option begins with one.
pub(super) fn begins_option(rest: &[u8]) -> bool {
    !rest.first().is_some_and(u8::is_ascii_digit)
}

fn string(value: ParameterValue<'_>) -> Result<&[u8], Refusal> {
    match value {
        ParameterValue::String(text) => Ok(text.to_bytes()),
        _ => Err(Refusal::BadValue),
    }
}

impl Options {
    /// No options, for a mount by the current task.
    pub(super) fn new() -> Self {
        Self {
            blocks: None,
            inodes: None,
            wide_inos: None,
            policy: None,
            huge: None,
            without_swap: false,
            quota: QuotaOptions::default(),
            mode: DEFAULT_MODE,
            uid: Kuid::current_fs(),
            gid: Kgid::current_fs(),
            names: NameOptions::default(),
        }
    }

    /// Takes in the option at `index` of [`OPTIONS`].
    pub(super) fn parse(
        &mut self,
        cx: &MountContext,
        index: usize,
        value: ParameterValue<'_>,
    ) -> Result {
        let option = OPTIONS.get(index).ok_or(EINVAL)?;
        (option.parse)(self, cx, value).map_err(|refusal| match refusal {
            Refusal::Because(reason) => cx.invalid(fmt!("{reason}")),
            Refusal::Logged(error) => error,
            Refusal::BadValue => cx.invalid(fmt!("Bad value for '{}'", option.name())),
            Refusal::Unsupported => cx.invalid(fmt!("Unsupported parameter '{}'", option.name())),
        })
    }

    /// Changes a live mount, or says in the log of `cx` why not and changes nothing.
    pub(super) fn apply(&self, sb: &SuperInfo, cx: &MountContext) -> Result {
        for option in OPTIONS {
            (option.check)(self, sb).map_err(|reason| cx.invalid(fmt!("{reason}")))?;
        }
        for option in OPTIONS {
            (option.apply)(self, sb);
        }
        Ok(())
    }
}

/// Shows the options of a mount.
pub(super) fn show(sb: &SuperInfo, seq: &SeqFile) {
    for option in OPTIONS {
        (option.show)(sb, seq);
    }
}
