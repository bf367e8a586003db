//! A loop device on a file, with ext4 on it.

use nix::mount::MsFlags;
use rustix::fs::FallocateFlags;

use crate::harness::device::{discard, zero, Loop};
use crate::harness::kmsg::expecting;
use crate::harness::prelude::*;
use crate::harness::process::program;

cases! {
    own => ext4_on_a_file, data_through_the_device, discarded, trimmed, direct_io, grown_and_cut, without_space,
        of_a_reader;
}

const SIZE: u64 = 16 << 20;

fn ext4_on_a_file(t: &mut Trace, fs: &Fs) -> Done {
    let mut mount = fs.mount("size=64m")?;
    let d = mount.dir()?;
    let image = d.create("image")?;
    image.truncate(SIZE)?;
    let path = mount.path.join("image");
    let path = path.to_str().context("path")?;
    match program(
        "mkfs.ext4",
        &[
            "-q",
            "-F",
            "-U",
            "00000000-0000-4000-8000-000000000000",
            path,
        ],
    ) {
        None => skip!("mkfs.ext4 is not installed"),
        Some((done, text)) => ensure!(done, "mkfs.ext4: {text}"),
    }
    t.put("sparse", image.blocks()? * 512 < SIZE);
    let device = match Loop::on(&image) {
        Ok(device) => device,
        Err(reason) => skip!("{reason}"),
    };
    let inner = fs.point("ext4");
    nix::mount::mount(
        Some(device.path.as_str()),
        &inner,
        Some("ext4"),
        MsFlags::empty(),
        None::<&str>,
    )
    .context("mount of ext4")?;
    {
        let e = Dir::open(&inner)?;
        for i in 0..50u32 {
            e.file(&format!("f{i}"), &pattern(i, 1000 + 777 * i as usize))?;
        }
        let dir = e.make("dir")?;
        dir.file("large", &pattern(99, 2 << 20))?;
        for i in (0..50).step_by(3) {
            e.unlink(format!("f{i}"))?;
        }
        rustix::fs::syncfs(&e)?;
    }
    nix::mount::umount(&inner)?;
    nix::mount::mount(
        Some(device.path.as_str()),
        &inner,
        Some("ext4"),
        MsFlags::MS_RDONLY,
        None::<&str>,
    )?;
    {
        let e = Dir::open(&inner)?;
        let mut wrong = 0;
        for i in (0..50u32).filter(|i| i % 3 != 0) {
            wrong +=
                u32::from(e.contents(&format!("f{i}"))?.0 != pattern(i, 1000 + 777 * i as usize));
        }
        t.put("wrong files", wrong);
        t.put("large", e.contents("dir/large")?.0 == pattern(99, 2 << 20));
        t.each("names", e.names()?);
    }
    nix::mount::umount(&inner)?;
    drop(device);
    if let Some((clean, text)) = program("e2fsck", &["-fn", path]) {
        t.put("e2fsck finds it clean", clean);
        ensure!(clean, "e2fsck: {text}");
    }
    drop(image);
    d.unlink("image")?;
    drop(d);
    mount.unmount_when_free()
}

fn data_through_the_device(t: &mut Trace, fs: &Fs) -> Done {
    let mut mount = fs.mount("size=64m")?;
    let d = mount.dir()?;
    let image = d.file("image", &pattern(1, 1 << 20))?;
    let device = match Loop::on(&image) {
        Ok(device) => device,
        Err(reason) => skip!("{reason}"),
    };
    let disk = device.disk()?;
    let expected = pattern(1, 1 << 20);
    t.put(
        "read through the device",
        disk.pread(1 << 20, 0)?.0 == expected,
    );
    t.put("write through the device", disk.pwrite(&[7; 8192], 16_384));
    t.put("sync", rustix::fs::fsync(&disk).map_err(Errno::from));
    t.put("the file", image.pread(8192, 16_384)?);
    drop((disk, device, image));
    d.unlink("image")?;
    drop(d);
    mount.unmount_when_free()
}

/// Runs steps with a device on a new file of that size, and looks that all of it can be undone.
fn with_device(
    fs: &Fs,
    options: &str,
    size: u64,
    steps: impl FnOnce(&Dir, &Fd, &Loop) -> Done,
) -> Done {
    let mut mount = fs.mount(options)?;
    let d = mount.dir()?;
    let image = d.create("image")?;
    image.truncate(size)?;
    let device = match Loop::on(&image) {
        Ok(device) => device,
        Err(reason) => skip!("{reason}"),
    };
    steps(&d, &image, &device)?;
    drop((device, image));
    d.unlink("image")?;
    drop(d);
    mount.unmount_when_free()
}

/// What is discarded or zeroed on the device is a hole of the file.
fn discarded(t: &mut Trace, fs: &Fs) -> Done {
    with_device(fs, "size=64m", 1 << 20, |d, image, device| {
        for name in [
            "discard_granularity",
            "discard_max_bytes",
            "write_zeroes_max_bytes",
            "rotational",
            "write_cache",
            "fua",
        ] {
            let value = device.attribute(&format!("queue/{name}"));
            t.put(name, value);
        }
        let disk = device.disk()?;
        disk.pwrite(&pattern(1, 1 << 20), 0)?;
        rustix::fs::fsync(&disk)?;
        t.counts("full", d, image)?;
        for (at, len) in [
            (0, 65_536),
            (131_072, 4096),
            (262_144, 6144),
            (270_336, 512),
        ] {
            t.put(format!("discard {len} at {at}"), discard(&disk, at, len));
            t.counts("discarded", d, image)?;
            t.put("read", disk.pread(8192, at)?);
        }
        t.put("discard over the end", discard(&disk, 1 << 20, 4096));
        for (at, len) in [(524_288, 65_536), (655_360, 2048)] {
            t.put(format!("zero {len} at {at}"), zero(&disk, at, len));
            t.counts("zeroed", d, image)?;
            t.put("read", disk.pread(8192, at)?);
        }
        t.put("discard all", discard(&disk, 0, 1 << 20));
        t.counts("empty", d, image)
    })
}

/// fstrim gives back what ext4 does not need any more.
fn trimmed(t: &mut Trace, fs: &Fs) -> Done {
    with_device(fs, "size=64m", SIZE, |_, image, device| {
        match program("mkfs.ext4", &["-q", "-F", "-E", "nodiscard", &device.path]) {
            None => skip!("mkfs.ext4 is not installed"),
            Some((done, text)) => ensure!(done, "mkfs.ext4: {text}"),
        }
        let inner = fs.point("ext4");
        for (label, options) in [("fstrim", ""), ("discard at once", "discard")] {
            nix::mount::mount(
                Some(device.path.as_str()),
                &inner,
                Some("ext4"),
                MsFlags::empty(),
                Some(options),
            )?;
            let e = Dir::open(&inner)?;
            let empty = image.blocks()?;
            e.file("large", &pattern(3, 4 << 20))?;
            rustix::fs::syncfs(&e)?;
            let full = image.blocks()?;
            t.put(format!("{label}: grew"), full >= empty + 8192);
            e.unlink("large")?;
            rustix::fs::syncfs(&e)?;
            if options.is_empty() {
                match program("fstrim", &[inner.to_str().context("a plain path")?]) {
                    None => skip!("fstrim is not installed"),
                    Some((done, text)) => ensure!(done, "fstrim: {text}"),
                }
            }
            drop(e);
            nix::mount::umount(&inner)?;
            // What the journal took meanwhile is little against the file.
            t.put(
                format!("{label}: given back"),
                image.blocks()? + 8192 - 2048 < full,
            );
        }
        Ok(())
    })
}

fn direct_io(t: &mut Trace, fs: &Fs) -> Done {
    with_device(fs, "size=64m", 1 << 20, |d, image, device| {
        t.put("at first", device.attribute("loop/dio"));
        for on in [true, false, true] {
            t.put(format!("direct {on}"), device.set_direct_io(on));
            t.put("now", device.attribute("loop/dio"));
            let disk = device.disk()?;
            t.put(
                "write",
                disk.pwrite(&pattern(u32::from(on), 65_536), 32_768),
            );
            t.put("sync", rustix::fs::fsync(&disk).map_err(Errno::from));
            t.put("in the file", image.pread(65_536, 32_768)?);
            image.pwrite(b"from below", 0)?;
            // Whoever looks at new devices may be reading the same page into the device's cache.
            t.put(
                "from below",
                Bytes(device.read_direct(0, 4096)?[..10].into()),
            );
        }
        for size in [512, 1024, 4096, 1000] {
            t.put(format!("block size {size}"), device.set_block_size(size));
            t.put("now", device.attribute("queue/logical_block_size"));
            t.put("direct", device.attribute("loop/dio"));
        }
        t.counts("in the end", d, image)
    })
}

/// The device's own pages: what the file has is read again.
fn discard_cache(disk: &Fd) -> Res<()> {
    use rustix::fs::Advice;
    Ok(rustix::fs::fadvise(disk, 0, None, Advice::DontNeed)?)
}

fn grown_and_cut(t: &mut Trace, fs: &Fs) -> Done {
    with_device(fs, "size=64m", 1 << 20, |_, image, device| {
        t.put("size", device.attribute("size"));
        image.truncate(2 << 20)?;
        t.put("grown, not told", device.attribute("size"));
        t.put("told", device.set_capacity());
        t.put("size", device.attribute("size"));
        let disk = device.disk()?;
        t.put(
            "write in what is new",
            disk.pwrite(&[7; 4096], (2 << 20) - 4096),
        );
        rustix::fs::fsync(&disk)?;
        t.put("of the file", image.pread(8192, (2 << 20) - 8192)?);
        // A task that looks at new devices may be reading at the old end.
        expecting("I/O error", || -> Done {
            image.truncate(65_536)?;
            discard_cache(&disk)?;
            t.put("told", device.set_capacity());
            Ok(())
        })?;
        t.put("size", device.attribute("size"));
        t.put("beyond", disk.pread(4096, 65_536));
        Ok(())
    })
}

/// A write that finds no block is an error of the device.
fn without_space(t: &mut Trace, fs: &Fs) -> Done {
    with_device(fs, "size=256k", 1 << 20, |d, image, device| {
        expecting("I/O error|lost (sync|async) page write", || -> Done {
            let disk = device.disk()?;
            t.put("write", disk.pwrite(&[7; 512 << 10], 0));
            t.put("sync", rustix::fs::fsync(&disk).map_err(Errno::from));
            t.put("space", d.space()?);
            t.put("size", image.size()?);
            discard_cache(&disk)?;
            t.put("discard", discard(&disk, 0, 1 << 20));
            t.counts("discarded", d, image)?;
            t.put("write again", disk.pwrite(&[8; 4096], 0));
            t.put("sync again", rustix::fs::fsync(&disk).map_err(Errno::from));
            t.counts("again", d, image)
        })
    })
}

fn of_a_reader(t: &mut Trace, fs: &Fs) -> Done {
    let mut mount = fs.mount("size=64m")?;
    let d = mount.dir()?;
    d.file("image", &pattern(1, 1 << 20))?;
    let image = d.read_only("image")?;
    let device = match Loop::on(&image) {
        Ok(device) => device,
        Err(reason) => skip!("{reason}"),
    };
    t.put("read-only", device.attribute("ro"));
    t.put(
        "open to write",
        device.disk().map(drop).map_err(|e| e.kind()),
    );
    t.put("the file itself", d.read_write("image")?.pwrite(b"x", 0));
    t.put(
        "preallocated",
        rustix::fs::fallocate(
            &d.read_write("image")?,
            FallocateFlags::empty(),
            1 << 20,
            4096,
        )
        .map_err(Errno::from),
    );
    drop((device, image));
    drop(d);
    mount.unmount_when_free()
}
