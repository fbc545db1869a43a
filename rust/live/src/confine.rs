//! What a process that has its rings may still ask of the kernel: seccomp and Landlock, once
//! every right is given up and before the first frame is read.
//!
//! seccomp is a deny list. The process is a Python interpreter with a terminal interface, a
//! resolver, `SQLite` and whatever the C library of the machine calls this year: an allow list
//! long enough for all of them keeps out little more, and ends a run in the middle of the night
//! after an upgrade of any of them. Denied is what none of them needs and what somebody who has
//! taken over a parser would want next: other processes, the kernel's own machines (bpf,
//! `io_uring`, perf, userfaultfd, keys), mounts and namespaces, raw sockets and unusual
//! families, typing into the terminal, and programs where none are to be started. A denied
//! call fails with EPERM and ends nothing.
//!
//! Landlock: the file system is read-only but for the folders of the outputs; no TCP port but
//! those of the outputs; no signal to a process outside. What a screen or a hook starts is
//! under the same rules, so a run with a hook, which must be able to write and to connect,
//! goes without Landlock.
//!
//! Neither is a condition: a kernel without them is said, and the run goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, NetPort, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// What a run still needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Folders and files that it writes to. None: it starts a hook, which may write anywhere,
    /// and there is no Landlock.
    pub writable: Option<Vec<PathBuf>>,
    /// TCP ports that it connects to. None: any.
    pub ports: Option<Vec<u16>>,
    /// It starts programs.
    pub runs_programs: bool,
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confined {
    /// Names of what is.
    pub in_force: Vec<&'static str>,
    /// What is not, and why.
    pub missing: Vec<String>,
}

/// Confines the calling thread and every thread and program that it starts from here on.
/// It must have given up the way to more rights.
pub fn confine(needs: &Needs) -> Confined {
    let mut done = Confined {
        in_force: Vec::new(),
        missing: Vec::new(),
    };
    if let Some(writable) = &needs.writable {
        match landlock(writable, needs.ports.as_deref()) {
            Ok(()) => done.in_force.push("Landlock"),
            Err(why) => done.missing.push(format!("no Landlock: {why}")),
        }
    } else {
        let why = "no Landlock: a hook must be able to write and to connect";
        done.missing.push(why.into());
    }
    match seccomp(needs.runs_programs) {
        Ok(()) => done.in_force.push("seccomp"),
        Err(why) => done.missing.push(format!("no seccomp: {why}")),
    }
    done
}

/// What this kernel would put in force: tried on a thread that ends at once.
pub fn try_confine() -> Confined {
    let tried = std::thread::spawn(|| {
        confine(&Needs {
            writable: Some(Vec::new()),
            ..Needs::default()
        })
    });
    tried.join().unwrap_or_else(|_| Confined {
        in_force: Vec::new(),
        missing: vec!["it could not be tried".into()],
    })
}

/// Devices that are opened for writing and hold nothing.
const DEVICES: [&str; 2] = ["/dev/null", "/dev/tty"];

fn landlock(writable: &[PathBuf], ports: Option<&[u16]>) -> Result<(), String> {
    let status = landlock_rules(writable, ports).map_err(|e| e.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            Err("this kernel has it, not enabled (lsm=)".into())
        }
        (RulesetStatus::NotEnforced, _) => Err("this kernel has none".into()),
        _ => Ok(()),
    }
}

/// Best effort: what the kernel is too old for is left out (ports before 6.7, signals
/// before 6.12).
fn landlock_rules(
    writable: &[PathBuf],
    ports: Option<&[u16]>,
) -> Result<RestrictionStatus, RulesetError> {
    // Not that of the fifth ABI: it would take the calls that a terminal answers to.
    let writing = AccessFs::from_write(ABI::V4);
    let mut ruleset = Ruleset::default()
        .handle_access(writing)?
        .scope(Scope::Signal)?;
    if ports.is_some() {
        ruleset = ruleset.handle_access(AccessNet::from_all(ABI::V4))?;
    }
    let ports = ports.unwrap_or_default().iter();
    ruleset
        .create()?
        .add_rules(path_beneath_rules(writable, writing))?
        .add_rules(path_beneath_rules(DEVICES, writing))?
        .add_rules(ports.map(|port| {
            let rule = NetPort::new(*port, AccessNet::ConnectTcp);
            Ok::<_, RulesetError>(rule)
        }))?
        .restrict_self()
}

/// Calls that are denied whatever their arguments.
const NEVER: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // The kernel's own machines, from which most ways into it lead.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_open_by_handle_at,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_vhangup,
];

/// Those that only some machines have.
#[cfg(target_arch = "x86_64")]
const NEVER_HERE: &[c_long] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const NEVER_HERE: &[c_long] = &[];

/// The same calls by other numbers (`__X32_SYSCALL_BIT`, `asm/unistd_x32.h`): a list of what
/// is denied must name them too.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;
/// ptrace, `kexec_load`, `process_vm_readv` and `process_vm_writev`, execve and execveat, ioctl.
#[cfg(target_arch = "x86_64")]
const X32_NEVER: [i64; 4] = [521, 528, 539, 540];
#[cfg(target_arch = "x86_64")]
const X32_PROGRAMS: [i64; 2] = [520, 545];
#[cfg(target_arch = "x86_64")]
const X32_IOCTL: i64 = 514;

/// Namespaces that `clone` makes (`linux/sched.h`).
const NEW_NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
/// The kind of a socket without the flags beside it (`SOCK_TYPE_MASK`).
const KIND: u64 = 0xf;
/// The old packet socket of the internet families (`SOCK_PACKET`).
const SOCK_PACKET: u64 = 10;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn when(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn rules(runs_programs: bool) -> Result<Rules, BackendError> {
    use SeccompCmpOp::{Eq, Gt, Lt, MaskedEq};
    let all = |conditions: Vec<SeccompCondition>| SeccompRule::new(conditions);
    let mut rules: Rules = NEVER
        .iter()
        .chain(NEVER_HERE)
        .map(|call| (*call, Vec::new()))
        .collect();
    if !runs_programs {
        rules.insert(libc::SYS_execve, Vec::new());
        rules.insert(libc::SYS_execveat, Vec::new());
    }
    // A user's line for the shell behind the terminal: one ioctl types it.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX]
        .into_iter()
        .map(|request| all(vec![when(1, Eq, request)?]))
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_ioctl, typing.clone());
    let namespaces = NEW_NAMESPACES
        .iter()
        .map(|flag| {
            let flag = u64::from(flag.cast_unsigned());
            all(vec![when(0, MaskedEq(flag), flag)?])
        })
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_clone, namespaces);
    // Left are UNIX, INET, INET6 and NETLINK, with which interfaces are listed.
    let (inet, inet6, netlink) = (
        libc::AF_INET as u64,
        libc::AF_INET6 as u64,
        libc::AF_NETLINK as u64,
    );
    let mut sockets = vec![
        all(vec![when(0, Gt, netlink)?])?,
        all(vec![when(0, Gt, inet)?, when(0, Lt, inet6)?])?,
        all(vec![when(0, Gt, inet6)?, when(0, Lt, netlink)?])?,
    ];
    for family in [inet, inet6] {
        for kind in [libc::SOCK_RAW as u64, SOCK_PACKET] {
            sockets.push(all(vec![
                when(0, Eq, family)?,
                when(1, MaskedEq(KIND), kind)?,
            ])?);
        }
    }
    rules.insert(libc::SYS_socket, sockets);
    #[cfg(target_arch = "x86_64")]
    {
        let again: Vec<_> = rules.iter().map(|(n, r)| (n | X32, r.clone())).collect();
        rules.extend(again);
        rules.extend(X32_NEVER.map(|number| (number | X32, Vec::new())));
        rules.insert(X32_IOCTL | X32, typing);
        if !runs_programs {
            rules.extend(X32_PROGRAMS.map(|number| (number | X32, Vec::new())));
        }
    }
    Ok(rules)
}

fn program(rules: Rules, error: libc::c_int) -> Result<BpfProgram, BackendError> {
    let here = TargetArch::try_from(std::env::consts::ARCH)?;
    let denied = SeccompAction::Errno(error.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, denied, here)?.try_into()
}

fn seccomp(runs_programs: bool) -> Result<(), String> {
    // Its flags lie in memory, where no filter sees them: not there, so that libc takes `clone`.
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let not_there = program(clone3, libc::ENOSYS).map_err(|e| e.to_string())?;
    let rules = rules(runs_programs).map_err(|e| e.to_string())?;
    let denied = program(rules, libc::EPERM).map_err(|e| e.to_string())?;
    for one in [not_there, denied] {
        apply_filter(&one).map_err(|error| match error {
            seccompiler::Error::Seccomp(why) => format!("this kernel does not take it ({why})"),
            other => other.to_string(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_confined_and_the_others_are_not() {
        let there = std::env::temp_dir().join(format!("ctcpmon-{}", std::process::id()));
        let (may, may_not) = (there.join("may"), there.join("may-not"));
        std::fs::create_dir_all(&may).unwrap();
        std::fs::create_dir_all(&may_not).unwrap();
        let needs = Needs {
            writable: Some(vec![may.clone()]),
            ports: Some(Vec::new()),
            runs_programs: false,
        };
        let (inside, outside) = (may.join("file"), may_not.join("file"));
        let theirs = outside.clone();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let done = confine(&needs);
            let wrote = std::fs::write(&inside, "packets").map_err(|e| e.kind());
            let stray = std::fs::write(&theirs, "packets").map_err(|e| e.kind());
            let connected = std::net::TcpStream::connect(address).map_err(|e| e.kind());
            let started = std::process::Command::new("/bin/true").status();
            let packets = crate::sys::packet_socket().map_err(|e| e.raw_os_error());
            let again = std::thread::spawn(|| 1).join().unwrap();
            (
                done,
                wrote,
                stray,
                connected.map(drop),
                started.map(drop).map_err(|e| e.raw_os_error()),
                packets.map(drop),
                again,
            )
        });
        let (done, wrote, stray, connected, started, packets, again) = thread.join().unwrap();
        // What the kernel lacks is said, and the thread goes on; what it has is in force.
        assert_eq!(done.in_force.len() + done.missing.len(), 2, "{done:?}");
        assert_eq!((wrote, again), (Ok(()), 1));
        if done.in_force.contains(&"Landlock") {
            assert_eq!(stray, Err(std::io::ErrorKind::PermissionDenied));
        }
        if done.in_force.contains(&"Landlock") && try_ports() {
            assert_eq!(connected, Err(std::io::ErrorKind::PermissionDenied));
        }
        if done.in_force.contains(&"seccomp") {
            assert_eq!(started, Err(Some(libc::EPERM)));
            assert_eq!(packets, Err(Some(libc::EPERM)));
        }
        // This thread is as free as before.
        std::fs::write(&outside, "test").unwrap();
        assert!(std::process::Command::new("/bin/true").status().is_ok());
        std::fs::remove_dir_all(&there).unwrap();
    }

    /// Linux 6.7 or newer.
    fn try_ports() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut parts = release.split('.').map_while(|n| n.parse::<u32>().ok());
        (parts.next(), parts.next()) >= (Some(6), Some(7))
    }

    #[test]
    fn a_run_with_a_hook_has_no_landlock_and_may_start_programs() {
        let thread = std::thread::spawn(|| {
            let done = confine(&Needs {
                runs_programs: true,
                ..Needs::default()
            });
            (
                done,
                std::process::Command::new("/bin/true").status().is_ok(),
            )
        });
        let (done, started) = thread.join().unwrap();
        assert!(started);
        assert!(!done.in_force.contains(&"Landlock"));
        assert!(done.missing[0].contains("hook"), "{done:?}");
    }
}
