//! Which system calls the process may make: Docker's default profile, compiled.
//!
//! `seccompiler` compiles what is said of a call's arguments. Around its programs we put what it does not know: a second
//! architecture (32-bit programs), calls that are refused in another way, calls newer than the profile, and a way to a call
//! that does not lead past all others.

mod profile;
mod search;

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use serde_json::{Value, json};

use self::profile::{Comparison, Rule};
use self::search::Answer;
use crate::Error;

const PROFILE: &str = include_str!("../../data/seccomp.txt");
const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_ANY: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
/// Where `struct seccomp_data` has the number of the call, the architecture, and the lower halves of the arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
/// The instructions by which seccompiler's programs look at the architecture; we have looked already.
const CHECK: usize = 3;

/// A set of system call numbers.
struct Architecture {
    /// `AUDIT_ARCH_*`.
    audit: u32,
    number: fn(&str) -> Option<u32>,
}

/// This machine's, and the one whose programs it runs too.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        audit: 0xc000_003e,
        number: |name| name.parse::<syscalls::x86_64::Sysno>().ok()?.id().try_into().ok(),
    },
    Architecture { audit: 0x4000_0003, number: |name| name.parse::<syscalls::x86::Sysno>().ok()?.id().try_into().ok() },
];
#[cfg(target_arch = "x86_64")]
const TARGET: TargetArch = TargetArch::x86_64;
/// The name of this architecture in the profile.
#[cfg(target_arch = "x86_64")]
const NAME: &str = "amd64";
#[cfg(target_arch = "x86_64")]
const OCI_ARCHITECTURES: [&str; 2] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"];

/// This machine's, and the one whose programs it runs too.
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        audit: 0xc000_00b7,
        number: |name| name.parse::<syscalls::aarch64::Sysno>().ok()?.id().try_into().ok(),
    },
    Architecture { audit: 0x4000_0028, number: |name| name.parse::<syscalls::arm::Sysno>().ok()?.id().try_into().ok() },
];
#[cfg(target_arch = "aarch64")]
const TARGET: TargetArch = TargetArch::aarch64;
/// The name of this architecture in the profile.
#[cfg(target_arch = "aarch64")]
const NAME: &str = "arm64";
#[cfg(target_arch = "aarch64")]
const OCI_ARCHITECTURES: [&str; 2] = ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];

/// The filter for a process with the default capabilities.
pub(super) fn program() -> Result<Vec<libc::sock_filter>, Error> {
    let rules = profile::rules(PROFILE, NAME);
    let mut program = vec![statement(LOAD, ARCHITECTURE)];
    for architecture in ARCHITECTURES {
        let body = body(&architecture, &rules)?;
        let length = u32::try_from(body.len()).map_err(|_| too_long())?;
        program.push(jump(IF_EQUAL, architecture.audit, 1, 0));
        program.push(statement(JUMP, length));
        program.extend(body);
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_KILL_PROCESS));
    Ok(program)
}

/// The same as an OCI runtime is told it (runtime specification, "Seccomp").
pub(super) fn described() -> Value {
    let rules = profile::rules(PROFILE, NAME);
    let plain = |rule: &&Rule<'_>| rule.condition.is_none() && rule.fails_with.is_none();
    let always: Vec<&str> = rules.iter().filter(plain).map(|rule| rule.name).collect();
    let mut calls = vec![json!({"names": always, "action": "SCMP_ACT_ALLOW"})];
    for rule in rules.iter().filter(|rule| !plain(rule)) {
        calls.push(match (rule.fails_with, rule.condition) {
            (Some(errno), _) => json!({"names": [rule.name], "action": "SCMP_ACT_ERRNO", "errnoRet": errno}),
            (None, condition) => {
                let arguments: Vec<Value> = condition.map(argument).into_iter().collect();
                json!({"names": [rule.name], "action": "SCMP_ACT_ALLOW", "args": arguments})
            }
        });
    }
    json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": OCI_ARCHITECTURES, "syscalls": calls})
}

fn argument(comparison: Comparison) -> Value {
    let (index, operator, value, second) = match comparison {
        Comparison::Less(index, value) => (index, "SCMP_CMP_LT", value, 0),
        Comparison::Equal(index, value) => (index, "SCMP_CMP_EQ", value, 0),
        Comparison::Greater(index, value) => (index, "SCMP_CMP_GT", value, 0),
        Comparison::Masked(index, mask, value) => (index, "SCMP_CMP_MASKED_EQ", mask, value),
    };
    json!({"index": index, "op": operator, "value": value, "valueTwo": second})
}

/// A call that a listener is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// `AUDIT_ARCH_*`.
    pub architecture: u32,
    pub number: u32,
    /// If this holds; always when `None`.
    pub only: Option<Only>,
}

/// An argument that has one of these bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Only {
    pub argument: u32,
    pub any_of: u32,
}

/// A filter that asks whoever listens about these calls, and lets everything else pass.
pub(super) fn asking(calls: impl Iterator<Item = Asked>) -> Vec<libc::sock_filter> {
    let calls: Vec<Asked> = calls.collect();
    let mut program = vec![statement(LOAD, ARCHITECTURE)];
    for architecture in ARCHITECTURES {
        let body = questions(calls.iter().filter(|call| call.architecture == architecture.audit));
        program.push(jump(IF_EQUAL, architecture.audit, 1, 0));
        program.push(statement(JUMP, u32::try_from(body.len()).unwrap_or(u32::MAX)));
        program.extend(body);
    }
    program.push(statement(RETURN, libc::SECCOMP_RET_ALLOW));
    program
}

/// Those of one architecture; every way through them ends in them.
fn questions<'a>(calls: impl Iterator<Item = &'a Asked>) -> Vec<libc::sock_filter> {
    let (ask, allow) = (statement(RETURN, libc::SECCOMP_RET_USER_NOTIF), statement(RETURN, libc::SECCOMP_RET_ALLOW));
    let mut body = vec![statement(LOAD, NUMBER)];
    for Asked { number, only, .. } in calls {
        match only {
            None => body.extend([jump(IF_EQUAL, *number, 0, 1), ask]),
            Some(Only { argument, any_of }) => body.extend([
                jump(IF_EQUAL, *number, 0, 4),
                statement(LOAD, ARGUMENTS + argument * 8),
                jump(IF_ANY, *any_of, 0, 1),
                ask,
                allow,
            ]),
        }
    }
    body.push(allow);
    body
}

/// Architecture and number of a call of this machine's own programs, or of the other ones that it runs, where they have that call.
pub(super) fn number(native: bool, name: &str) -> Option<(u32, u32)> {
    let [own, other] = &ARCHITECTURES;
    let architecture = if native { own } else { other };
    Some((architecture.audit, (architecture.number)(name)?))
}

/// Everything for one architecture; every way through it ends in it.
fn body(architecture: &Architecture, rules: &[Rule<'_>]) -> Result<Vec<libc::sock_filter>, Error> {
    let mut by_number: BTreeMap<u32, Vec<Rule<'_>>> = BTreeMap::new();
    for rule in rules {
        if let Some(number) = (architecture.number)(rule.name) {
            by_number.entry(number).or_default().push(*rule);
        }
    }
    let answers = by_number.into_iter().map(|(number, rules)| Ok((number, answer(number, &rules)?)));
    let answers = answers
        .collect::<Result<_, _>>()
        .map_err(|error: seccompiler::BackendError| Error::Worker(format!("cannot filter calls: {error}")))?;
    let mut body = vec![statement(LOAD, NUMBER)];
    body.extend(search::program(answers, refusal(libc::EPERM), refusal(libc::ENOSYS)));
    Ok(body)
}

/// What becomes of the call that these rules are about.
fn answer(number: u32, rules: &[Rule<'_>]) -> Result<Answer, seccompiler::BackendError> {
    if let Some(errno) = rules.iter().find_map(|rule| rule.fails_with) {
        return Ok(Answer::Always(refusal(errno)));
    }
    let conditions: Option<Vec<Comparison>> = rules.iter().map(|rule| rule.condition).collect();
    match conditions {
        Some(conditions) => Ok(Answer::Looking(compile(number, conditions)?)),
        None => Ok(Answer::Always(libc::SECCOMP_RET_ALLOW)),
    }
}

/// Allows a call if one of the conditions holds.
fn compile(number: u32, conditions: Vec<Comparison>) -> Result<Vec<libc::sock_filter>, seccompiler::BackendError> {
    let rules = conditions.into_iter().map(|comparison| SeccompRule::new(vec![condition(comparison)?]));
    let rules = BTreeMap::from([(i64::from(number), rules.collect::<Result<_, _>>()?)]);
    let otherwise = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, SeccompAction::Allow, TARGET)?.try_into()?;
    let instructions = program.into_iter().skip(CHECK);
    Ok(instructions.map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect())
}

fn condition(comparison: Comparison) -> Result<SeccompCondition, seccompiler::BackendError> {
    let (argument, operator, value) = match comparison {
        Comparison::Less(argument, value) => (argument, SeccompCmpOp::Lt, value),
        Comparison::Equal(argument, value) => (argument, SeccompCmpOp::Eq, value),
        Comparison::Greater(argument, value) => (argument, SeccompCmpOp::Gt, value),
        Comparison::Masked(argument, mask, value) => (argument, SeccompCmpOp::MaskedEq(mask), value),
    };
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)
}

const fn refusal(errno: libc::c_int) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.unsigned_abs()
}

const fn statement(code: u16, k: u32) -> libc::sock_filter {
    jump(code, k, 0, 0)
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn too_long() -> Error {
    Error::Worker("cannot filter calls: the profile is too long".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel makes of a call, and how many instructions it takes.
    fn run(program: &[libc::sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> (u32, usize) {
        let half = |at: u32| (arguments[at as usize / 8] >> (at % 8 * 8)) as u32;
        let (mut at, mut value) = (0, 0);
        for count in 1.. {
            let libc::sock_filter { code, jt, jf, k } = program[at];
            let branch = |holds: bool| usize::from(if holds { jt } else { jf });
            at += 1;
            match u32::from(code) & 0xf7 {
                0x20 if k == NUMBER => value = number,
                0x20 if k == ARCHITECTURE => value = architecture,
                0x20 => value = half(k - ARGUMENTS),
                0x54 => value &= k,
                0x05 => at += k as usize,
                0x15 => at += branch(value == k),
                0x25 => at += branch(value > k),
                0x35 => at += branch(value >= k),
                0x45 => at += branch(value & k != 0),
                0x06 => return (k, count),
                other => panic!("instruction {other:#x}"),
            }
        }
        unreachable!("it ends")
    }

    /// What the profile says.
    fn expected(rules: &[Rule<'_>], architecture: &Architecture, number: u32, arguments: [u64; 6]) -> u32 {
        let numbered = |rule: &Rule<'_>| (architecture.number)(rule.name);
        let own: Vec<_> = rules.iter().filter(|rule| numbered(rule) == Some(number)).collect();
        let holds = |comparison| match comparison {
            Comparison::Less(at, value) => arguments[usize::from(at)] < value,
            Comparison::Equal(at, value) => arguments[usize::from(at)] == value,
            Comparison::Greater(at, value) => arguments[usize::from(at)] > value,
            Comparison::Masked(at, mask, value) => arguments[usize::from(at)] & mask == value,
        };
        if let Some(errno) = own.iter().find_map(|rule| rule.fails_with) {
            refusal(errno)
        } else if own.iter().any(|rule| rule.condition.is_none_or(holds)) {
            libc::SECCOMP_RET_ALLOW
        } else if rules.iter().filter_map(numbered).max() < Some(number) {
            refusal(libc::ENOSYS)
        } else {
            refusal(libc::EPERM)
        }
    }

    #[test]
    fn every_call_has_what_the_profile_says_after_a_few_instructions() {
        let (program, rules) = (program().expect("compiled"), profile::rules(PROFILE, NAME));
        assert!(program.len() < 4096, "the kernel takes no longer one");
        let firsts = [0, 8, 0x26, 0x27, 0x28, 0x29, 0x2_0008, 0x7e02_0000, 0x1000_0000, 0xffff_ffff, 1 << 32, u64::MAX];
        for architecture in ARCHITECTURES {
            for number in (0..1200).chain(0xf_0000..0xf_0008).chain([0x4000_0000, 0x4000_0038, u32::MAX]) {
                for first in firsts {
                    let arguments = [first, 0, 0, 0, 0, 0];
                    let (action, count) = run(&program, architecture.audit, number, arguments);
                    assert_eq!(action, expected(&rules, &architecture, number, arguments), "{number} with {first:#x}");
                    assert!(count < 64, "{count} instructions for {number}");
                }
            }
        }
        assert_eq!(run(&program, 1, 0, [0; 6]).0, libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn calls_that_break_out_are_not_in_it() {
        let rules = profile::rules(PROFILE, NAME);
        for name in ["mount", "unshare", "setns", "keyctl", "bpf", "init_module", "open_by_handle_at", "io_uring_setup"]
        {
            assert!(!rules.iter().any(|rule| rule.name == name), "{name}");
        }
        for name in ["chroot", "execve", "clone", "ptrace", "socket"] {
            assert!(rules.iter().any(|rule| rule.name == name), "{name}");
        }
    }
}
