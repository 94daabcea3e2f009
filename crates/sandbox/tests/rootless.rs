//! The levels of an ordinary user.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use shipsmith_sandbox::{Error, Level, Mount, MountSource, Network, Sandbox, Spec, Stop, probe};
use support::{Ground, as_user};

#[ctor::ctor(unsafe)]
fn worker() {
    shipsmith_sandbox::become_worker();
}

const LEVELS: [Level; 2] = [Level::Subordinate, Level::SingleId];

fn sandbox(level: Level) -> impl FnOnce(&Path) -> Sandbox {
    move |dir| probe(dir).choose(Some(level)).unwrap_or_else(|error| panic!("{error}; {:?}", error.hint()))
}

fn at_each(test: &str, body: impl Fn(&Ground)) {
    as_user(test, || LEVELS.into_iter().for_each(|level| body(&Ground::new(sandbox(level)))));
}

#[test]
fn subordinate_ids_are_preferred() {
    as_user("subordinate_ids_are_preferred", || {
        let ground = Ground::new(|dir| probe(dir).choose(None).expect("a level"));
        assert_eq!(ground.sandbox.level(), Level::Subordinate);
        assert_eq!(ground.sandbox.scheme(), "subuid-1-1-200000x65536-200000x65536");
        let root = probe(ground.dir.path()).choose(Some(Level::Root)).expect_err("not root");
        assert!(matches!(root, Error::Unavailable { .. }), "{root}");
    });
}

#[test]
fn a_command_runs_and_its_changes_are_a_layer() {
    at_each("a_command_runs_and_its_changes_are_a_layer", |ground| {
        let outcome =
            ground.sh("id -u; echo new > /etc/new; rm /etc/group; rm -r /home; mkdir /home; hostname; echo $$");
        assert_eq!((outcome.code, &*outcome.output), (0, "0\nbuildkitsandbox\n2\n"), "{outcome:?}");
        let paths = outcome.paths();
        assert!(paths.contains(&"!etc/group".to_owned()) && paths.contains(&"etc/new".to_owned()), "{paths:?}");
    });
}

#[test]
fn owners_get_into_the_layer() {
    at_each("owners_get_into_the_layer", |ground| {
        let outcome = ground.sh("mkdir /d && touch /d/a /d/b && chown 5:6 /d/a && chown -R 7 /d && mv /d/a /d/c && \
             cd /d && ln -s c l && chown 9:9 l && chown 33:33 /etc/passwd");
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let owners = ["d", "d/b", "d/c", "etc/passwd"].map(|path| outcome.owner(path));
        assert_eq!(owners, [Some((7, 0)), Some((7, 0)), Some((9, 9)), Some((33, 33))], "{:?}", outcome.paths());
    });
}

#[test]
fn processes_become_other_users() {
    at_each("processes_become_other_users", |ground| {
        let mut spec = ground.spec("id; (id)");
        spec.process.uid = 1000;
        spec.process.gid = 1000;
        spec.process.groups = vec![7];
        let line = "uid=1000(user) gid=1000(user) groups=7\n";
        assert_eq!(ground.run(&spec).output, format!("{line}{line}"));
        let spec = with_perl(ground, "perl -e '($<, $>) = (42, 42); print \"$< $>\\n\"; system(\"/bin/id -u\")'");
        let outcome = ground.run(&spec);
        assert_eq!(outcome.output, "42 42\n42\n", "{outcome:?}");
    });
}

#[test]
fn the_host_is_out_of_reach() {
    at_each("the_host_is_out_of_reach", |ground| {
        assert_eq!(ground.answer("ls /"), "bin\ndev\netc\nhome\nproc\nroot\nsys\ntmp");
        assert!(ground.answer("ls -d /proc/[0-9]*").lines().count() <= 3, "init, the shell and ls");
        assert_eq!(
            ground.answer("grep -E '^(CapEff|Seccomp:)' /proc/self/status | cut -f 2 | tr '\\n' ' '"),
            "00000000a80425fb 2"
        );
        for script in [
            "mount -t tmpfs x /tmp",
            "umount /proc",
            "echo x > /sys/kernel/x",
            "echo 1 > /proc/sys/kernel/panic",
            "chmod 0 /dev/null",
            "mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero",
            "cat /proc/1/environ",
            "kill -9 1; sleep 0.1; false",
        ] {
            assert_ne!(ground.sh(script).code, 0, "{script}");
        }
    });
}

#[test]
fn networks_and_directories_are_as_asked() {
    at_each("networks_and_directories_are_as_asked", |ground| {
        let mut spec = ground.spec("ip -o addr | awk '{print $2, $4}' | head -n 1; pwd; touch x");
        spec.network = Network::None;
        spec.process.directory = "/a/b".into();
        let outcome = ground.run(&spec);
        assert_eq!(outcome.output, "lo 127.0.0.1/8\n/a/b\n", "{outcome:?}");
        assert_eq!(outcome.paths(), ["a", "a/b", "a/b/x"]);
    });
}

#[test]
fn stopping_ends_it() {
    at_each("stopping_ends_it", |ground| {
        let stop = Stop::new().expect("a switch");
        stop.set();
        assert_eq!(ground.run_until(&ground.spec("sleep 1000"), &stop).err(), Some(Error::Stopped));
    });
}

/// A specification in which the host's perl can be run, for calls that busybox does not make.
fn with_perl(ground: &Ground, script: &str) -> Spec {
    let mut spec = ground.spec(script);
    spec.process.env = vec![("PATH".into(), "/bin:/usr/bin".into())];
    for name in ["lib", "lib64"] {
        let link = ground.layer().join(name);
        if link.symlink_metadata().is_err() {
            symlink(format!("usr/{name}"), link).expect("link");
        }
    }
    let usr = MountSource::Directory { path: "/usr".into(), below: String::new() };
    spec.mounts = vec![Mount { target: "/usr".into(), read_only: true, source: usr }];
    spec
}

/// As every system has it.
fn open_tmp(ground: &Ground) {
    fs::set_permissions(ground.layer().join("tmp"), fs::Permissions::from_mode(0o1777)).expect("ours");
}

#[test]
fn owners_that_were_given_are_told() {
    at_each("owners_that_were_given_are_told", |ground| {
        let script = "cd /root; touch f; mkdir d; ln -s f l; busybox mkfifo p; chown 5:6 f; chown -h 7:8 l; chown 9 d; chown :3 p; \
             chown 4 /dev/stdout; stat -c '%n %u:%g' f d l p; mv l m; ln f g; ls -ln m g | awk '{print $3, $4}'; cp -p f h; \
             perl -e 'open F, \"<\", \"f\"; print join(\" \", (stat F)[4, 5], (lstat \"m\")[4, 5], (stat \"m\")[4, 5]), \"\\n\"'";
        let outcome = ground.run(&with_perl(ground, script));
        let told = "f 5:6\nd 9:0\nl 7:8\np 0:3\n5 6\n7 8\n5 6 7 8 5 6\n";
        assert_eq!(outcome.output, told, "{outcome:?}");
        let owners = ["root/f", "root/d", "root/m", "root/p", "root/h"].map(|path| outcome.owner(path));
        assert_eq!(owners, [Some((5, 6)), Some((9, 0)), Some((7, 8)), Some((0, 3)), Some((5, 6))], "{outcome:?}");
    });
}

#[test]
fn what_a_user_makes_is_that_users() {
    at_each("what_a_user_makes_is_that_users", |ground| {
        open_tmp(ground);
        let made = "cd /tmp; umask 027; echo x > f; echo > /dev/null; : > /dev/fd/2; mkdir d d/e; ln -s x l; busybox mkfifo -m 604 p; ln f g; \
             touch f; echo y >> f; cp /etc/passwd c; mv d/e e; perl -e 'sysopen F, \"o\", 0301, 0666 or die; mkdir \"o/\"; mkdir \"q/\"'; \
             stat -c '%n %u:%g:%a' f d l p g c e o q";
        let mut spec = with_perl(ground, made);
        (spec.process.uid, spec.process.gid) = (1000, 50);
        let outcome = ground.run(&spec);
        let told = "f 1000:50:640\nd 1000:50:750\nl 1000:50:777\np 1000:50:604\ng 1000:50:640\nc 1000:50:640\ne 1000:50:750\n\
             o 1000:50:640\nq 1000:50:750\n";
        assert_eq!(outcome.output, told, "{outcome:?}");
        for path in ["f", "d", "l", "p", "c", "e", "o", "q"] {
            assert_eq!(outcome.owner(&format!("tmp/{path}")), Some((1000, 50)), "{path}: {outcome:?}");
        }
        let dropped = "perl -e '$) = \"50 50\"; $( = 50; ($<, $>) = (1000, 1000); mkdir \"/tmp/x\"; open F, \">\", \"/tmp/x/y\"; \
             symlink \"a\", \"/tmp/x/z\"; system \"/bin/touch /tmp/x/t\"'; touch /tmp/roots";
        let outcome = ground.run(&with_perl(ground, dropped));
        for path in ["tmp/x", "tmp/x/y", "tmp/x/z", "tmp/x/t"] {
            assert_eq!(outcome.owner(path), Some((1000, 50)), "{path}: {outcome:?}");
        }
        assert_eq!(outcome.owner("tmp/roots"), Some((0, 0)));
    });
}

#[test]
fn directories_hand_their_group_on() {
    at_each("directories_hand_their_group_on", |ground| {
        let outcome = ground
            .sh("mkdir /d; chown 3:50 /d; chmod 2775 /d; mkdir /d/e; touch /d/e/f; ln -s x /d/l; stat -c %a /d/e");
        assert_eq!(outcome.output, "2755\n", "{outcome:?}");
        let owners = ["d", "d/e", "d/e/f", "d/l"].map(|path| outcome.owner(path));
        assert_eq!(owners, [Some((3, 50)), Some((0, 50)), Some((0, 50)), Some((0, 50))], "{outcome:?}");
    });
}

#[test]
fn set_id_programs_run_as_their_owners() {
    at_each("set_id_programs_run_as_their_owners", |ground| {
        let prepare = "cp /usr/bin/perl /home/root; cp /usr/bin/perl /home/app; chown 42:43 /home/app; chmod 4755 /home/root; chmod 6755 /home/app; \
             printf '#!/bin/sh\\nid -u\\n' > /home/script; chmod 4755 /home/script";
        let tell = "print join(\" \", $<, $>, $( + 0, $) + 0), \"\\n\"";
        let drop = "perl -e '$) = \"8 8\"; $( = 8; ($<, $>) = (7, 7); exec \"/bin/sh\", \"-c\", $ARGV[0]' \"$@\"";
        let script = format!(
            "{prepare}; set -- '/home/root -e \"$TELL\"; /home/app -e \"$TELL\"; /home/script; /home/root -e \"\\$< = \\$>; mkdir q(/home/made)\"'; {drop}"
        );
        let mut spec = with_perl(ground, &script);
        spec.process.env.push(("TELL".into(), tell.into()));
        let outcome = ground.run(&spec);
        assert_eq!(outcome.output, "7 0 8 8\n7 42 8 43\n7\n", "{outcome:?}");
        assert_eq!(outcome.owner("home/made"), Some((0, 8)), "{outcome:?}");
    });
}

#[test]
fn users_give_nothing_away() {
    at_each("users_give_nothing_away", |ground| {
        open_tmp(ground);
        let mut spec = ground.spec(
            "cd /tmp; touch f; chown 0 f; echo $?; chown :8 f; echo $?; chown :7 f; echo $?; chown 1000 /etc/passwd; echo $?",
        );
        (spec.process.uid, spec.process.gid, spec.process.groups) = (1000, 50, vec![8]);
        let outcome = ground.run(&spec);
        assert_eq!(outcome.output, "1\n0\n1\n1\n", "{outcome:?}");
        assert_eq!(outcome.owner("tmp/f"), Some((1000, 8)));
    });
}

/// As the layer has it, without the user namespace that the kernel notes beside it.
#[test]
#[cfg(target_arch = "x86_64")]
fn capabilities_of_files_get_into_the_layer() {
    at_each("capabilities_of_files_get_into_the_layer", |ground| {
        let net_raw = "my ($f, $n) = (\"/f\", \"security.capability\"); my $c = pack(\"V5\", 0x02000001, 0x2000, 0, 0, 0); \
             syscall(188, $f, $n, $c, length $c, 0) and die $!";
        let script = format!("touch /f; chown 7:8 /f; perl -e '{net_raw}' && stat -c %u /f");
        let outcome = ground.run(&with_perl(ground, &script));
        assert_eq!(outcome.output, "7\n", "{outcome:?}");
        let entry = outcome.entries().into_iter().find(|entry| entry.path.as_bytes() == b"f").expect("the file");
        let expected: Vec<u8> = [0x0200_0001u32, 0x2000, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(entry.xattrs.get(&b"security.capability"[..]), Some(&expected));
    });
}

/// `chown("/x", 5, 6)`, `mkdir("/y", 0755)` and an end whose code is that of the first, as a program of 32 bits for x86.
fn program_of_32_bits() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const CODE: u32 = 84;
    let code: [&[u8]; 6] = [
        &[0xb8, 212, 0, 0, 0, 0xbb, 0x88, 0x80, 4, 8, 0xb9, 5, 0, 0, 0, 0xba, 6, 0, 0, 0, 0xcd, 0x80],
        &[0x89, 0xc6, 0xf7, 0xde],
        &[0xb8, 39, 0, 0, 0, 0xbb, 0x8b, 0x80, 4, 8, 0xb9, 0xed, 1, 0, 0, 0xcd, 0x80],
        &[0x89, 0xf3, 0xb8, 1, 0, 0, 0],
        b"\xcd\x80/x\0",
        b"/y\0",
    ];
    let code = code.concat();
    let length = CODE + code.len() as u32;
    let mut elf = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0".to_vec();
    for number in [BASE + CODE, 52, 0, 0] {
        elf.extend(number.to_le_bytes());
    }
    elf.extend([52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    for number in [1, 0, BASE, BASE, length, length, 5, 0x1000] {
        elf.extend(number.to_le_bytes());
    }
    elf.extend(code);
    elf
}

#[test]
#[cfg(target_arch = "x86_64")]
fn programs_of_32_bits_are_believed_too() {
    at_each("programs_of_32_bits_are_believed_too", |ground| {
        let program = ground.layer().join("bin/old");
        fs::write(&program, program_of_32_bits()).expect("ours");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
        let outcome = ground.sh("touch /x && old && stat -c %u:%g /x");
        assert_eq!((outcome.code, &*outcome.output), (0, "5:6\n"), "{outcome:?}");
        assert_eq!(outcome.owner("x"), Some((5, 6)));
        if ground.sandbox.level() == Level::SingleId {
            // Permissions are not checked there.
            let mut spec = ground.spec("old; true");
            (spec.process.uid, spec.process.gid) = (1000, 50);
            assert_eq!(ground.run(&spec).owner("y"), Some((1000, 50)));
        }
    });
}
