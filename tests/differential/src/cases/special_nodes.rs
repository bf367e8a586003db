//! mknod: fifos, sockets, devices, whiteouts.

use std::os::unix::net::{UnixListener, UnixStream};

use crate::harness::prelude::*;

cases! {
    "" => kinds, whiteout_device, fifo_works, character_device_works, without_privilege, errors,
        set_size_and_open;
    own => socket_works;
}

fn kinds(t: &mut Trace, d: &Dir) -> Done {
    for (name, kind, rdev) in [
        ("file", FileType::RegularFile, (0, 0)),
        ("file with a device", FileType::RegularFile, (1, 3)),
        ("fifo", FileType::Fifo, (0, 0)),
        ("fifo with a device", FileType::Fifo, (1, 3)),
        ("socket", FileType::Socket, (0, 0)),
        ("char", FileType::CharacterDevice, (1, 3)),
        ("char, large", FileType::CharacterDevice, (4095, 1_048_575)),
        ("block", FileType::BlockDevice, (7, 200)),
        ("directory", FileType::Directory, (0, 0)),
        ("symlink", FileType::Symlink, (0, 0)),
    ] {
        t.effects(name, d, &[".", name], || d.mknod(name, kind, 0o6640, rdev))
            .ok();
    }
    t.put("names", d.names()?);
    t.put("space", d.space()?);
    for name in d.names()? {
        d.unlink(&name)?;
    }
    t.put("space", d.space()?);
    Ok(())
}

fn whiteout_device(t: &mut Trace, d: &Dir) -> Done {
    let make = |name| d.mknod(name, FileType::CharacterDevice, 0o600, (0, 0));
    t.effects("as root", d, &[".", "w"], || make("w"))?;
    let user = User::become_user(1000, 1000, &[]);
    t.put("as a user", make("w2"));
    t.put(
        "another device as a user",
        d.mknod("x", FileType::CharacterDevice, 0o600, (0, 1)),
    );
    t.put(
        "a block device 0:0",
        d.mknod("y", FileType::BlockDevice, 0o600, (0, 0)),
    );
    drop(user);
    t.put("open", d.read_only("w").map(drop));
    t.put("names", d.names()?);
    Ok(())
}

fn fifo_works(t: &mut Trace, d: &Dir) -> Done {
    d.fifo("p")?;
    t.put(
        "write end alone",
        d.openat("p", OFlags::WRONLY | OFlags::NONBLOCK, 0)
            .map(drop),
    );
    let read = d.openat("p", OFlags::RDONLY | OFlags::NONBLOCK, 0)?;
    t.put("nobody writes", read.read(10));
    let write = d.openat("p", OFlags::WRONLY | OFlags::NONBLOCK, 0)?;
    t.effects("write", d, &["p"], || write.write(b"hello"))?;
    t.effects("read", d, &["p"], || read.read(10))?;
    t.put("nothing left", read.read(10));
    t.put("meta", read.meta()?);
    d.unlink("p")?;
    t.put("after unlink", (write.write(b"x"), read.read(10)));
    t.put("seek", read.seek(SeekFrom::Start(0)));
    Ok(())
}

fn character_device_works(t: &mut Trace, d: &Dir) -> Done {
    d.mknod("null", FileType::CharacterDevice, 0o666, (1, 3))?;
    d.mknod("zero", FileType::CharacterDevice, 0o666, (1, 5))?;
    t.put("write to null", d.read_write("null")?.write(b"data"));
    t.put("read of null", d.read_write("null")?.read(10));
    t.put("read of zero", d.read_only("zero")?.read(10));
    t.put("meta", d.meta("zero")?);
    d.mknod("none", FileType::CharacterDevice, 0o666, (4000, 1))?;
    t.put("a device that is not there", d.read_only("none").map(drop));
    d.mknod("socket", FileType::Socket, 0o666, (0, 0))?;
    t.put("open of a socket", d.read_only("socket").map(drop));
    Ok(())
}

fn without_privilege(t: &mut Trace, d: &Dir) -> Done {
    let user = User::become_user(1000, 2000, &[]);
    t.put("fifo", d.fifo("fifo"));
    t.put("socket", d.mknod("socket", FileType::Socket, 0o600, (0, 0)));
    t.put(
        "file",
        d.mknod("file", FileType::RegularFile, 0o600, (0, 0)),
    );
    t.put(
        "char",
        d.mknod("char", FileType::CharacterDevice, 0o600, (1, 3)),
    );
    t.put(
        "block",
        d.mknod("block", FileType::BlockDevice, 0o600, (1, 3)),
    );
    drop(user);
    for name in d.names()? {
        t.put(&name, d.meta(&name)?);
    }
    Ok(())
}

fn errors(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.symlink("none", "link")?;
    t.put("over a file", d.fifo("file"));
    t.put("over a dangling link", d.fifo("link"));
    t.put("with a slash", d.fifo("new/"));
    t.put("in a file", d.fifo("file/x"));
    t.put("long name", d.fifo(&"n".repeat(256)));
    t.put("empty name", d.fifo(""));
    t.put("names", d.names()?);
    Ok(())
}

fn set_size_and_open(t: &mut Trace, d: &Dir) -> Done {
    d.fifo("p")?;
    d.mknod("null", FileType::CharacterDevice, 0o666, (1, 3))?;
    for name in ["p", "null"] {
        let file = d.openat(name, OFlags::RDWR | OFlags::NONBLOCK, 0)?;
        t.put(format!("{name}: truncate"), file.truncate(10));
        t.put(format!("{name}: meta"), file.meta()?);
        t.effects(format!("{name}: chmod"), d, &[name], || {
            d.chmod(name, 0o600)
        })?;
        t.effects(format!("{name}: chown"), d, &[name], || {
            d.chown(name, Some(1), Some(2))
        })?;
    }
    Ok(())
}

fn socket_works(t: &mut Trace, fs: &Fs) -> Done {
    use std::io::{Read, Write};
    let mount = fs.mount("")?;
    let path = mount.path.join("socket");
    let listener = UnixListener::bind(&path)?;
    t.put("meta", mount.dir()?.meta("socket")?);
    t.put(
        "bind again",
        UnixListener::bind(&path).map(drop).map_err(|e| e.kind()),
    );
    let mut client = UnixStream::connect(&path)?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"hello")?;
    let mut data = [0; 5];
    server.read_exact(&mut data)?;
    t.put("data", Bytes(data.to_vec()));
    mount.dir()?.unlink("socket")?;
    t.put(
        "connect after unlink",
        UnixStream::connect(&path).map(drop).map_err(|e| e.kind()),
    );
    drop((listener, client, server));
    mount.unmount()?;
    Ok(())
}
