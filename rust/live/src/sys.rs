//! The calls of Linux that a packet ring takes, each as a safe function. The only place of
//! this crate with `unsafe`.
#![allow(
    unsafe_code,
    reason = "sockets of this kind and their memory have no safe interface in std"
)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ctcpmon_core::bpf::Instruction;

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// A packet socket that receives nothing yet: its protocol is 0 until it is bound.
pub(crate) fn packet_socket() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; a descriptor that is not negative is new and ours.
    unsafe {
        let fd = checked(libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            0,
        ))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Plain data that a socket option takes: no pointers, no padding that matters.
pub(crate) trait Plain: Copy {}
impl Plain for libc::c_int {}
impl Plain for libc::c_uint {}
impl Plain for libc::tpacket_req3 {}
impl Plain for libc::packet_mreq {}

/// Sets an option of `SOL_PACKET`.
pub(crate) fn set_option<T: Plain>(fd: &OwnedFd, name: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of a live value.
    checked(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// Packets and drops since the last call, and how often the ring was full.
pub(crate) fn statistics(fd: &OwnedFd) -> io::Result<[u32; 3]> {
    let mut stats = libc::tpacket_stats_v3 {
        tp_packets: 0,
        tp_drops: 0,
        tp_freeze_q_cnt: 0,
    };
    let mut len = size_of::<libc::tpacket_stats_v3>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into a value of that size.
    checked(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut stats).cast(),
            &raw mut len,
        )
    })?;
    Ok([stats.tp_packets, stats.tp_drops, stats.tp_freeze_q_cnt])
}

/// The error that waits at a socket, taken off it.
pub(crate) fn waiting_error(fd: &OwnedFd) -> io::Result<i32> {
    let mut error: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: as above.
    checked(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            std::ptr::from_mut(&mut error).cast(),
            &raw mut len,
        )
    })?;
    Ok(error)
}

/// Attaches a filter; the kernel checks it.
pub(crate) fn attach_filter(fd: &OwnedFd, program: &[Instruction]) -> io::Result<()> {
    let mut code: Vec<libc::sock_filter> = program
        .iter()
        .map(|i| libc::sock_filter {
            code: i.code,
            jt: i.jt,
            jf: i.jf,
            k: i.k,
        })
        .collect();
    let len =
        u16::try_from(code.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let whole = libc::sock_fprog {
        len,
        filter: code.as_mut_ptr(),
    };
    // SAFETY: the kernel copies `len` instructions, which `code` holds, during the call.
    checked(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            std::ptr::from_ref(&whole).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// Takes the filter off again.
pub(crate) fn detach_filter(fd: &OwnedFd) -> io::Result<()> {
    let ignored: libc::c_int = 0;
    // SAFETY: the kernel may read one live number.
    checked(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DETACH_FILTER,
            std::ptr::from_ref(&ignored).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// Number of an interface.
pub(crate) fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a string that ends in 0 is read.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// Name of the interface with a number, as it is now.
pub(crate) fn name_of(index: u32) -> Option<String> {
    let mut name: [libc::c_char; libc::IF_NAMESIZE] = [0; libc::IF_NAMESIZE];
    // SAFETY: at most `IF_NAMESIZE` bytes are written, and that many are there.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr()) };
    let bytes = name.map(libc::c_char::cast_unsigned);
    let end = bytes.iter().position(|byte| *byte == 0)?;
    (!found.is_null()).then(|| String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// What the kernel itself says of an interface of this network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// ARPHRD number.
    pub(crate) hardware: u16,
    pub(crate) mtu: u32,
    /// It is up, and so is what is at its other end.
    pub(crate) is_running: bool,
}

/// Asks for them; none when there is no such interface.
pub(crate) fn facts_of(name: &str) -> Option<Facts> {
    let control = control_socket().ok()?;
    let ask = |command: libc::c_ulong| {
        let mut request = EthtoolCall::new(name, 0, 0).request;
        // SAFETY: the kernel writes the answer into the request.
        checked(unsafe { libc::ioctl(control.as_raw_fd(), command as _, &raw mut request) })
            .is_ok()
            .then_some(request.ifr_ifru)
    };
    let hardware = ask(libc::SIOCGIFHWADDR)?;
    let (flags, mtu) = (ask(libc::SIOCGIFFLAGS)?, ask(libc::SIOCGIFMTU)?);
    // SAFETY: each call has written the field that is read.
    let (hardware, flags, mtu) = unsafe {
        (
            hardware.ifru_hwaddr.sa_family,
            flags.ifru_flags,
            mtu.ifru_mtu,
        )
    };
    Some(Facts {
        hardware,
        mtu: mtu.cast_unsigned(),
        is_running: i32::from(flags) & libc::IFF_RUNNING != 0,
    })
}

/// Names and numbers of all interfaces.
pub(crate) fn names() -> io::Result<Vec<(u32, String)>> {
    // SAFETY: the list is the system's until it is given back; it ends in an entry with the
    // number 0, and every entry before has a name that ends in 0.
    unsafe {
        let list = libc::if_nameindex();
        if list.is_null() {
            return Err(io::Error::last_os_error());
        }
        let mut all = Vec::new();
        let mut at = list;
        while (*at).if_index != 0 {
            let name = CStr::from_ptr((*at).if_name).to_string_lossy().into_owned();
            all.push(((*at).if_index, name));
            at = at.add(1);
        }
        libc::if_freenameindex(list);
        Ok(all)
    }
}

/// Binds a packet socket to an interface: from here on it receives every frame.
pub(crate) fn bind(fd: &OwnedFd, index: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index as libc::c_int,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the kernel reads one address of the length given.
    checked(unsafe {
        libc::bind(
            fd.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// Number of the interface that a packet socket is bound to; none when that has gone away.
pub(crate) fn bound_to(fd: &OwnedFd) -> io::Result<Option<u32>> {
    // SAFETY: plain numbers, for all of which 0 is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into a value of that size.
    checked(unsafe {
        libc::getsockname(
            fd.as_raw_fd(),
            std::ptr::from_mut(&mut address).cast(),
            &raw mut len,
        )
    })?;
    Ok(u32::try_from(address.sll_ifindex).ok())
}

/// Number of the group of rings that a socket has joined.
pub(crate) fn group_of(fd: &OwnedFd) -> io::Result<u16> {
    let mut group: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into a value of that size.
    checked(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            std::ptr::from_mut(&mut group).cast(),
            &raw mut len,
        )
    })?;
    Ok(group as u16)
}

/// One call of `SIOCETHTOOL` that takes or gives a number, laid out so that it needs no memory.
#[derive(Clone)]
pub(crate) struct EthtoolCall {
    name: String,
    /// The interface is still the one that was meant when it has this number.
    index: u32,
    request: libc::ifreq,
    /// Command and number (`struct ethtool_value`).
    value: [u32; 2],
}

impl EthtoolCall {
    /// On the interface called `name`. A name that is too long is cut: no interface has it.
    pub(crate) fn new(name: &str, command: u32, value: u32) -> Self {
        // SAFETY: plain numbers and pointers, for all of which 0 is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let room = request.ifr_name.len() - 1;
        for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes().take(room)) {
            *place = byte as libc::c_char;
        }
        Self {
            name: name.to_owned(),
            index: index_of(name).unwrap_or(0),
            request,
            value: [command, value],
        }
    }

    /// Name of its interface.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Calls, and returns the number that came back. Allocates nothing.
    fn run(&self, control: libc::c_int) -> io::Result<u32> {
        let (mut request, mut value) = (self.request, self.value);
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the kernel reads and writes the request and, behind its pointer, the two
        // words of the value; both live until the call has returned.
        checked(unsafe { libc::ioctl(control, libc::SIOCETHTOOL as _, &raw mut request) })?;
        Ok(value[1])
    }

    /// Its interface has not been made anew since. Allocates nothing.
    fn is_current(&self, control: libc::c_int) -> bool {
        let mut request = self.request;
        // SAFETY: the kernel writes the number into the request.
        let done = unsafe { libc::ioctl(control, libc::SIOCGIFINDEX as _, &raw mut request) };
        // SAFETY: the call that succeeded wrote this field.
        done == 0 && unsafe { request.ifr_ifru.ifru_ifindex }.cast_unsigned() == self.index
    }
}

/// A socket for questions about interfaces: of any family that there is everywhere.
fn control_socket() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; a descriptor that is not negative is new and ours.
    unsafe {
        let fd = checked(libc::socket(
            libc::AF_UNIX,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            0,
        ))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Whether a question about an interface can be asked at all.
pub(crate) fn can_ask() -> io::Result<()> {
    control_socket().map(drop)
}

/// Makes one such call.
pub(crate) fn ethtool(call: &EthtoolCall) -> io::Result<u32> {
    call.run(control_socket()?.as_raw_fd())
}

/// Makes `calls` when the descriptor that is returned is closed everywhere, which the end of
/// the process does too. A child does it that has `CAP_NET_ADMIN` and nothing else, hears no
/// signal but SIGKILL, and holds none of our descriptors. There must be no other thread.
pub(crate) fn call_at_the_end(calls: &[EthtoolCall]) -> io::Result<OwnedFd> {
    let control = control_socket()?;
    let mut ends = [0; 2];
    // SAFETY: two descriptors are written into an array of two; both are new and ours.
    let (read, write) = unsafe {
        checked(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC))?;
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    };
    // SAFETY: the child only makes system calls on memory that was there before, and ends by
    // `_exit`: no destructor, no buffer, no lock of the parent is touched. The sets of signals
    // are live values of their type, filled before they are used.
    unsafe {
        // No signal reaches the child before it has said that it wants none.
        let mut every: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut every);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const every, &raw mut before);
        let child = libc::fork();
        if child != 0 {
            let failed = io::Error::last_os_error();
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
            if child < 0 {
                return Err(failed);
            }
        } else {
            wait_and_call(
                [read.as_raw_fd(), control.as_raw_fd(), write.as_raw_fd()],
                calls,
            );
        }
    }
    Ok(write)
}

/// Descriptors that are closed one by one where the kernel cannot close all: more than a
/// process has that has just opened its outputs.
const MOST_DESCRIPTORS: libc::c_int = 4_096;

/// The child's whole life.
///
/// # Safety
/// Only in a child that has just been forked.
unsafe fn wait_and_call([read, control, write]: [libc::c_int; 3], calls: &[EthtoolCall]) -> ! {
    // SAFETY: numbers, strings that end in 0 and live values of the sizes the calls expect.
    unsafe {
        libc::setsid();
        libc::chdir(c"/".as_ptr());
        libc::prctl(libc::PR_SET_NAME, c"ctcpmon-offload".as_ptr());
        for signal in 1..=31 {
            libc::signal(signal, libc::SIG_IGN);
        }
        // The end of ours first: with it open nothing would ever end.
        libc::close(write);
        // Out of the way of the numbers that they get.
        let (read, control) = (
            libc::fcntl(read, libc::F_DUPFD, 3),
            libc::fcntl(control, libc::F_DUPFD, 3),
        );
        libc::dup2(read, 0);
        libc::dup2(control, 1);
        // Also the standard streams of ours: who reads them waits for their end.
        if libc::syscall(libc::SYS_close_range, 2, libc::c_uint::MAX, 0) != 0 {
            // Kernels before 5.9.
            for fd in 2..=MOST_DESCRIPTORS {
                libc::close(fd);
            }
        }
        let admin = 1_u32 << 12;
        let header: [u32; 2] = [CAPABILITIES_V3, 0];
        let sets = [admin, admin, 0, 0, 0, 0];
        libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr());
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let mut byte = 0_u8;
        // Nothing is ever written: it returns when every other end is closed.
        while libc::read(0, (&raw mut byte).cast(), 1) > 0
            || *libc::__errno_location() == libc::EINTR
        {
            *libc::__errno_location() = 0;
        }
        for call in calls {
            if call.is_current(1) {
                let _ = call.run(1);
            }
        }
        libc::_exit(0)
    }
}

/// Waits until there is something to read, an error, or `time` has passed; true for the first two.
pub(crate) fn wait(fd: &OwnedFd, time: Duration) -> io::Result<bool> {
    let mut one = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN | libc::POLLERR,
        revents: 0,
    };
    let ms = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one entry is passed and one is there.
    match checked(unsafe { libc::poll(&raw mut one, 1, ms) }) {
        Ok(n) => Ok(n > 0),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(e) => Err(e),
    }
}

/// The memory of a ring, shared with the kernel.
pub(crate) struct Mapping {
    start: *mut u8,
    len: usize,
}

// SAFETY: the mapping belongs to nobody's stack; all access goes through `&self` below, and
// what the kernel may write at the same time is only touched as an atomic.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the ring of a socket.
    pub(crate) fn of(fd: &OwnedFd, len: usize) -> io::Result<Self> {
        // SAFETY: a new mapping of `len` bytes; it touches no memory in use.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            len,
        })
    }

    /// The word at `at`, which both sides write.
    pub(crate) fn word(&self, at: usize) -> Option<&AtomicU32> {
        let fits = at.is_multiple_of(4) && at.checked_add(4).is_some_and(|end| end <= self.len);
        // SAFETY: inside the mapping and aligned; an atomic may change under us.
        fits.then(|| unsafe { AtomicU32::from_ptr(self.start.add(at).cast()) })
    }

    /// Reads the word at `at`; what the kernel wrote before it is seen after it.
    pub(crate) fn load(&self, at: usize) -> u32 {
        self.word(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Writes the word at `at`, after everything that was read before.
    pub(crate) fn store(&self, at: usize, value: u32) {
        if let Some(word) = self.word(at) {
            word.store(value, Ordering::Release);
        }
    }

    /// Appends the `len` bytes at `at` to `out`; less where the mapping ends. The caller
    /// holds the block: the kernel does not write to it.
    pub(crate) fn copy(&self, at: usize, len: usize, out: &mut Vec<u8>) {
        let from = at.min(self.len);
        let len = len.min(self.len - from);
        // SAFETY: the range lies inside the mapping, which lives as long as `self`.
        out.extend_from_slice(unsafe { std::slice::from_raw_parts(self.start.add(from), len) });
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` with this length.
        unsafe {
            libc::munmap(self.start.cast(), self.len);
        }
    }
}

/// The user and group that a process goes on as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two words of 32 capabilities each.
const CAPABILITIES_V3: u32 = 0x2008_0522;

/// Gives up every right: groups, user and group where `account` says so, every capability,
/// and the way to get any again by running a program. No core file will hold packets. Threads
/// that exist keep what they had, except for the user and the group: call it before any is
/// started.
///
/// # Errors
/// The call that failed; what was given up before stays given up.
pub fn give_up_rights(account: Option<Account>) -> io::Result<()> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: numbers and live values of the sizes that the calls expect; `capset` takes a
    // header and two sets of three words, as version 3 says.
    unsafe {
        checked(libc::setrlimit(libc::RLIMIT_CORE, &raw const none))?;
        if let Some(Account { uid, gid }) = account {
            checked(libc::setgroups(0, std::ptr::null()))?;
            checked(libc::setresgid(gid, gid, gid))?;
            checked(libc::setresuid(uid, uid, uid))?;
        }
        // Kernels before 4.3 have no ambient set.
        let _ = libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        );
        let header: [u32; 2] = [CAPABILITIES_V3, 0];
        let sets = [0_u32; 6];
        if libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) < 0 {
            return Err(io::Error::last_os_error());
        }
        checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
    }
    Ok(())
}
