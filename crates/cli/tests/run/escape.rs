//! Out of the sandbox: the host's files, environment, processes, devices and kernel, from a step that tries.

use std::fs;

use crate::support::{CANARY, Ground};

#[test]
fn no_path_leads_to_the_files_of_the_host() {
    let Some(ground) = Ground::new() else { return };
    let canary = ground.canary().join("file").display().to_string();
    let script = format!(
        "for root in '' /proc/1/root /proc/1/cwd /proc/self/root /proc/self/cwd /proc/[0-9]*/root /proc/[0-9]*/cwd \\
             /proc/[0-9]*/fd/* /proc/self/root/.. /../../../../../../..; do cat $root{canary}; done 2>/dev/null
         cd /; i=0; while [ $i -lt 40 ]; do cd ..; i=$((i+1)); done; cat .{canary} 2>/dev/null
         mkdir /jail; (chroot /jail /bin/true; cd ../../../..; cat .{canary}) 2>/dev/null
         echo tried"
    );
    assert_eq!(ground.prints("", &script, &[]).trim(), "tried");
    ground.is_clean();
}

/// As the chroot tricks of old: a directory that is held while the root becomes one below it.
#[test]
fn a_second_root_does_not_lead_out() {
    let Some(ground) = Ground::new() else { return };
    let canary = ground.canary().join("file").display().to_string();
    let script = format!(
        "mkdir -p /jail/bin; cp /bin/busybox /jail/bin/; exec 5< /
         chroot /jail /bin/busybox sh -c 'cd /proc/self/fd/5; i=0; while [ $i -lt 40 ]; do cd ..; i=$((i+1)); done
             busybox cat .{canary}; /bin/busybox chroot . /bin/cat {canary}' 2>/dev/null; echo tried"
    );
    assert!(!ground.prints("", &script, &[]).contains(CANARY));
    ground.is_clean();
}

#[test]
fn disks_cannot_be_read_through_device_nodes() {
    let Some(ground) = Ground::new() else { return };
    let script = "while read -r major minor blocks name; do
             case $major in [0-9]*) mknod /node b $major $minor && head -c 512 /node > /dev/null && echo \"read $name\"
                 rm -f /node; mknod /dev/node b $major $minor && head -c 512 /dev/node > /dev/null && echo \"read $name\"
                 rm -f /dev/node; mknod /tmp/node b $major $minor && head -c 512 /tmp/node >/dev/null && echo \"read $name\"
                 rm -f /tmp/node;; esac
         done < /proc/partitions 2>/dev/null
         mknod /mem c 1 1 && head -c 1 /mem > /dev/null && echo 'read memory'
         mknod /kmsg c 1 11 && head -c 1 /kmsg > /dev/null && echo 'read the log'
         mknod /fuse c 10 229 && (: < /fuse) && echo 'opened fuse'
         echo tried";
    for mount in ["", "--mount=type=tmpfs,target=/tmp", "--mount=type=cache,target=/tmp", "--mount=target=/tmp,rw"] {
        let said = ground.prints(mount, script, &[]);
        let opened: Vec<&str> =
            said.lines().filter(|line| line.starts_with("read") || line.starts_with("opened")).collect();
        assert!(opened.is_empty(), "{mount}: {opened:?}");
    }
    ground.is_clean();
}

#[test]
fn the_builders_environment_is_unseen() {
    let Some(base) = testkit::fixtures::busybox_base() else { return };
    if !testkit::tools::as_root() {
        return;
    }
    let ground = Ground::over(base, &[("A_SECRET_OF_THE_BUILDER", CANARY)]);
    let said = ground.prints("", "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'", &[]);
    assert!(!said.contains(CANARY), "{said}");
    assert!(!said.contains(&ground.environment().store().display().to_string()), "{said}");
    ground.is_clean();
}

#[test]
fn no_process_of_the_host_is_seen_or_reached() {
    let Some(ground) = Ground::new() else { return };
    let ours = std::process::id();
    let script = format!(
        "ls /proc | grep -c '^[0-9]' > /count; test -e /proc/{ours}/stat && echo seen; kill -0 {ours} && echo reached
         for p in /proc/[0-9]*; do readlink $p/exe; done | grep -v -e '^/bin/busybox$'
         test $(cat /count) -lt 12 || echo many
         for p in 1 $PPID; do cat /proc/$p/mem /proc/$p/maps /proc/$p/environ; ls /proc/$p/fd; done 2>/dev/null; echo tried"
    );
    let said = ground.prints("", &script, &[]);
    let told: Vec<&str> = said.lines().filter(|line| !line.contains("readlink") && !line.contains("kill:")).collect();
    assert!(!told.contains(&"seen") && !told.contains(&"reached") && !told.contains(&"many"), "{said}");
    ground.is_clean();
}

/// As CVE-2019-5736: the program that runs the step is not to be found, read or written from inside of it.
#[test]
fn the_builders_own_program_is_out_of_reach() {
    let Some(ground) = Ground::new() else { return };
    let before = fs::metadata(env!("CARGO_BIN_EXE_shipsmith")).expect("it is built").modified().expect("a time");
    let script = "for exe in /proc/1/exe /proc/$PPID/exe; do
             test \"$(readlink $exe)\" = /bin/busybox && continue
             head -c 4 $exe > /dev/null 2>&1 && echo \"read $exe\"; (: >> $exe) 2>/dev/null && echo \"opened $exe\"
         done; for map in /proc/1/map_files/*; do cat $map > /dev/null 2>&1 && echo \"read $map\"; done; echo tried";
    assert_eq!(ground.prints("", script, &[]).trim(), "tried");
    let exec = ground.prints("", "ln -s /proc/self/exe /again; /again true; echo $?", &[]);
    assert!(exec.contains("applet not found") || exec.trim().ends_with('0'), "it is the shell's own: {exec}");
    let after = fs::metadata(env!("CARGO_BIN_EXE_shipsmith")).expect("it is still there");
    assert_eq!(after.modified().expect("a time"), before);
    ground.is_clean();
}

#[test]
fn descriptors_are_the_standard_ones_alone() {
    let Some(ground) = Ground::new() else { return };
    let step = "FROM base\nRUN ls -l /proc/self/fd > /output; ls /proc/$$/fd | tr '\\n' ' ' > /numbers\n";
    let output = ground.environment().path("output");
    ground.builds(step, &[&format!("--output=type=local,dest={}", output.display())]);
    let read = |name: &str| fs::read_to_string(output.join(name)).expect("the step wrote it");
    assert_eq!(read("numbers").trim(), "0 1 2");
    let listed = read("output");
    assert!(listed.lines().filter(|line| line.contains("->")).count() <= 4, "{listed}");
    assert!(listed.contains("0 -> /dev/null"), "{listed}");
    ground.is_clean();
}

#[test]
fn namespaces_are_the_steps_own() {
    let Some(ground) = Ground::new() else { return };
    let said = ground.prints("", "for n in cgroup ipc mnt pid uts; do readlink /proc/self/ns/$n; done", &[]);
    assert_eq!(said.lines().count(), 5, "{said}");
    for name in ["ipc", "mnt", "pid", "uts"] {
        let ours = fs::read_link(format!("/proc/self/ns/{name}")).expect("every kernel has it");
        assert!(!said.contains(&ours.display().to_string()), "{name} is the host's: {said}");
    }
    let alone = ground.prints("--network=none", "readlink /proc/self/ns/net", &[]);
    assert_ne!(alone.trim(), fs::read_link("/proc/self/ns/net").expect("a name").display().to_string());
    ground.is_clean();
}

#[test]
fn the_kernel_is_not_the_steps_to_change() {
    let Some(ground) = Ground::new() else { return };
    let script = "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/drop_caches /proc/sys/kernel/modprobe \\
             /sys/kernel/uevent_helper /sys/kernel/mm/transparent_hugepage/enabled /proc/irq/default_smp_affinity \\
             /sys/power/state /proc/sys/net/ipv4/ip_forward; do
             test -e $f && (: >> $f) 2>/dev/null && echo \"opened $f\"
         done
         mkdir -p /cg; for type in cgroup cgroup2 proc sysfs tmpfs debugfs tracefs securityfs devpts overlay; do
             mount -t $type none /cg 2>/dev/null && echo \"mounted $type\"
         done
         mount -o remount,rw /sys 2>/dev/null && echo remounted; mount -o remount,rw /proc/sys 2>/dev/null && echo remounted
         umount /proc/sys 2>/dev/null && echo unmounted; umount /etc/hosts 2>/dev/null && echo unmounted
         find /sys/fs/cgroup -name release_agent 2>/dev/null | while read -r f; do (: >> $f) 2>/dev/null && echo $f; done
         find /sys/fs/cgroup -name cgroup.procs 2>/dev/null | head -n 20 | while read -r f; do (: >> $f) 2>/dev/null && echo $f; done
         insmod /bin/busybox 2>/dev/null && echo loaded; swapon /bin/busybox 2>/dev/null && echo swapped
         dmesg > /dev/null 2>&1 && echo log; nsenter -t 1 -m true 2>/dev/null && test ! -e /proc/1/ns/x && echo entered
         unshare -U true 2>/dev/null && echo namespace; pivot_root . . 2>/dev/null && echo pivoted; echo tried";
    assert_eq!(ground.prints("", script, &[]).trim(), "tried");
    ground.is_clean();
}

#[test]
fn setuid_programs_of_the_image_give_no_more_than_root_has_there() {
    let Some(ground) = Ground::new() else { return };
    let before =
        "RUN mkdir /mighty && cp /bin/busybox /mighty/ && chmod 6755 /mighty/busybox && mkdir -m 777 /w\nUSER app\n";
    let script = "exec > /w/output; /mighty/busybox grep -E '^(CapEff|CapBnd|CapAmb)' /proc/self/status; grep ^CapEff /proc/self/status";
    let output = ground.environment().path("output");
    let step = format!("FROM base\n{before}RUN {script}\n");
    ground.builds(&step, &[&format!("--output=type=local,dest={}", output.display())]);
    let said = fs::read_to_string(output.join("w/output")).expect("the step wrote it");
    assert!(said.contains("CapBnd:\t00000000a80425fb") && said.contains("CapAmb:\t0000000000000000"), "{said}");
    assert!(said.ends_with("CapEff:\t0000000000000000\n"), "an ordinary user has none: {said}");
    ground.is_clean();
}
