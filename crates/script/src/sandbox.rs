//! What a worker gives up before it sees a script: files, network, processes, most system calls.
//!
//! Invariant: after [`close`] the process can only compute and use the pipes it holds.

use rlimit::Resource;

/// Address space a worker may add to what the binary takes; above every script's own limit.
const MEMORY_BYTES: u64 = 512 << 20;

/// Sets the kernel's limits and the system call filter for this process. Answers what could not be
/// set.
pub(crate) fn close() -> Vec<String> {
    let mut failures = Vec::new();
    let mut set = |resource: Resource, name: &str, limit: u64| {
        if let Err(error) = resource.set(limit, limit) {
            failures.push(format!("limit {name}: {error}"));
        }
    };
    set(Resource::CORE, "core", 0);
    set(Resource::FSIZE, "file size", 0);
    set(Resource::NOFILE, "open files", 8);
    set(Resource::AS, "memory", mapped_bytes().saturating_add(MEMORY_BYTES));
    if let Err(error) = filter::install() {
        failures.push(format!("system call filter: {error}"));
    }
    failures
}

/// Address space in use now.
fn mapped_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    pages.map_or(1 << 30, |pages| pages * PAGE_BYTES)
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod filter {
    use seccompiler::{
        BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };
    use std::collections::BTreeMap;

    /// What computing and talking over open pipes needs. Everything else fails with EPERM.
    const ALLOWED: &[libc::c_long] = &[
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_ppoll,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_restart_syscall,
        libc::SYS_set_robust_list,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    pub(super) fn install() -> Result<(), Error> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            ALLOWED.iter().map(|number| (*number, Vec::new())).collect();
        // abort() signals its own process, and no other.
        let own = u64::from(std::process::id());
        let own = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, own)?;
        rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![own])?]);
        let filter = SeccompFilter::new(
            rules,
            SeccompAction::Errno(u32::try_from(libc::EPERM).unwrap_or(1)),
            SeccompAction::Allow,
            std::env::consts::ARCH.try_into()?,
        )?;
        let program: BpfProgram = filter.try_into()?;
        seccompiler::apply_filter_all_threads(&program)
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod filter {
    pub(super) fn install() -> Result<(), &'static str> {
        Err("not available on this platform")
    }
}
