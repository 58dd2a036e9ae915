//! What the child gives up before it looks at a file: memory, time, files, network, processes.
//!
//! Invariant: after [`close`] the process can only compute and write to the pipes it holds.

use crate::limits::Limits;
use rlimit::Resource;

/// Sets the kernel's limits and the system call filter for every thread of this process. Call it
/// once all libraries are loaded and all threads run. Answers what could not be set.
pub(crate) fn close(limits: &Limits, cpu_seconds: u64) -> Vec<String> {
    let mut failures = Vec::new();
    let mut set = |resource: Resource, name: &str, soft: u64, hard: u64| {
        if let Err(error) = resource.set(soft, hard) {
            failures.push(format!("limit {name}: {error}"));
        }
    };
    set(Resource::CORE, "core", 0, 0);
    set(Resource::FSIZE, "file size", 0, 0);
    set(Resource::NOFILE, "open files", 16, 16);
    set(Resource::CPU, "cpu", cpu_seconds, cpu_seconds.saturating_add(1));
    let memory = mapped_bytes().saturating_add(limits.memory_bytes);
    set(Resource::AS, "memory", memory, memory);
    if let Err(error) = filter::install() {
        failures.push(format!("system call filter: {error}"));
    }
    failures
}

/// Address space in use now; the limit on it counts from here, so that a large binary or library
/// does not eat into what the document may use.
fn mapped_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').next().and_then(|n| n.parse::<u64>().ok());
    pages.map_or(256 << 20, |pages| pages * PAGE_BYTES)
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod filter {
    use seccompiler::{
        BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };
    use std::collections::BTreeMap;

    /// Refused with EPERM, so that library code sees an ordinary failure.
    const REFUSED: &[libc::c_long] = &[
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept,
        libc::SYS_accept4,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_sendmmsg,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_pidfd_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_pidfd_send_signal,
        libc::SYS_prlimit64,
        libc::SYS_setpriority,
        libc::SYS_sched_setscheduler,
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_open_by_handle_at,
        libc::SYS_name_to_handle_at,
        libc::SYS_memfd_create,
        libc::SYS_truncate,
        libc::SYS_ftruncate,
        libc::SYS_fallocate,
        libc::SYS_unlinkat,
        libc::SYS_renameat2,
        libc::SYS_mkdirat,
        libc::SYS_mknodat,
        libc::SYS_linkat,
        libc::SYS_symlinkat,
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        libc::SYS_fchown,
        libc::SYS_fchownat,
        libc::SYS_utimensat,
        libc::SYS_setxattr,
        libc::SYS_fsetxattr,
        libc::SYS_io_uring_setup,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_shmget,
        libc::SYS_msgget,
        libc::SYS_mq_open,
        libc::SYS_inotify_init1,
        libc::SYS_fanotify_init,
    ];

    #[cfg(target_arch = "x86_64")]
    const REFUSED_OLD: &[libc::c_long] = &[
        libc::SYS_open,
        libc::SYS_creat,
        libc::SYS_fork,
        libc::SYS_vfork,
        libc::SYS_unlink,
        libc::SYS_rename,
        libc::SYS_renameat,
        libc::SYS_mkdir,
        libc::SYS_rmdir,
        libc::SYS_mknod,
        libc::SYS_link,
        libc::SYS_symlink,
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_setrlimit,
    ];
    #[cfg(not(target_arch = "x86_64"))]
    const REFUSED_OLD: &[libc::c_long] = &[libc::SYS_renameat, libc::SYS_setrlimit];

    pub(super) fn install() -> Result<(), Error> {
        let filter = SeccompFilter::new(
            rules()?,
            SeccompAction::Allow,
            SeccompAction::Errno(u32::try_from(libc::EPERM).unwrap_or(1)),
            std::env::consts::ARCH.try_into()?,
        )?;
        let program: BpfProgram = filter.try_into()?;
        seccompiler::apply_filter_all_threads(&program)
    }

    #[cfg(target_pointer_width = "64")]
    fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, Error> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            REFUSED.iter().chain(REFUSED_OLD).map(|number| (*number, Vec::new())).collect();
        // abort() signals its own process; any other target is refused.
        let own = u64::from(std::process::id());
        let other = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own)?;
        rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![other])?]);
        Ok(rules)
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod filter {
    pub(super) fn install() -> Result<(), &'static str> {
        Err("not available on this platform")
    }
}
