// SPDX-License-Identifier: GPL-2.0

//! Runs a model as it is, and with each of its orderings weakened.
//!
//! A model must fail when one of its orderings is weakened, except for those that it lists with
//! [`Model::idle`], which it does not test. Each variant runs in a process of its own, since it may
//! abort, or leave a lock held: C and its callbacks do not unwind.

use std::{
    env,
    process::{
        Command,
        Output, //
    },
};

use loom::{
    model::Builder,
    thread::JoinHandle, //
};

use loom_core::{
    pool,
    weaken::{
        seen,
        weaken, //
    },
};

use crate::plain;

/// The environment variables that name the ordering to weaken, and what to weaken it to.
const SITE: &str = "LOOM_WEAKEN";
const TO: &str = "LOOM_WEAKEN_TO";

/// The prefix of a line with an ordering and what it can be weakened to.
const SEEN: &str = "seen: ";

/// A model, and how to run it.
pub struct Model {
    /// The name of the test, by which it is run again.
    name: &'static str,
    idle: &'static [&'static str],
    builder: Builder,
}

impl Model {
    /// Creates the model of the test `name`, its path in `models`.
    pub fn new(name: &'static str) -> Model {
        let mut builder = Builder::new();

        builder.max_branches = 100_000;
        Model {
            name,
            idle: &[],
            builder,
        }
    }

    /// Lists the orderings that can be weakened without a failure: `FILE WHAT in THREAD -> WEAKER`;
    /// the second of the same name in a file is `FILE WHAT (2) ...`.
    pub fn idle(mut self, idle: &'static [&'static str]) -> Model {
        self.idle = idle;
        self
    }

    /// Limits the number of preemptions in each execution.
    pub fn preemptions(mut self, most: usize) -> Model {
        self.builder.preemption_bound = Some(most);
        self
    }

    /// Tries all executions of `run`, which must not fail, and then each weakened variant, which
    /// must.
    pub fn check(self, run: impl Fn() + Send + Sync + 'static) {
        if let (Ok(site), Ok(to)) = (env::var(SITE), env::var(TO)) {
            weaken(&site, &to);
            self.try_all(run);
            for (site, weaker) in seen() {
                println!(
                    "{SEEN}{site}\t{}\t{}",
                    site.name(&seen()),
                    weaker.join("\t")
                );
            }
            return;
        }

        let mut wrong = Vec::new();
        let mut tried = Vec::new();
        for line in went_well(&self.in_process("", "")).lines() {
            let Some(ordering) = line.strip_prefix(SEEN) else {
                continue;
            };
            let mut parts = ordering.split('\t');
            let (site, name) = (parts.next().unwrap(), parts.next().unwrap());

            for to in parts {
                let which = format!("{name} -> {to}");
                let found = went_wrong(&self.in_process(site, to));

                match (found, self.idle.contains(&&*which)) {
                    (true, true) => wrong.push(format!("{which} goes wrong")),
                    (false, false) => wrong.push(format!("{which} goes well")),
                    _ => {}
                }
                tried.push(which);
            }
        }
        for which in self.idle {
            if !tried.iter().any(|seen| seen == which) {
                wrong.push(format!("{which} is nowhere"));
            }
        }
        assert!(!tried.is_empty(), "no ordering was gone through");
        assert!(wrong.is_empty(), "weakened: {}", wrong.join("; "));
    }

    fn try_all(&self, run: impl Fn() + Send + Sync + 'static) {
        self.builder.check(move || {
            pool::fill();
            plain::begin();
            run();
        });
    }

    fn in_process(&self, site: &str, to: &str) -> Output {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", &format!("models::{}", self.name), "--nocapture"])
            .env(SITE, site)
            .env(TO, to)
            .output()
            .unwrap()
    }
}

/// Returns the output of a process that ran one model.
fn stdout(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();

    assert!(text.contains("running 1 test"), "{text}");
    text
}

/// Returns the output of a process that did not fail.
fn went_well(output: &Output) -> String {
    let text = stdout(output);

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Returns whether a process failed; the reason must be a panic.
fn went_wrong(output: &Output) -> bool {
    let text = String::from_utf8_lossy(&output.stderr);

    stdout(output);
    assert!(
        output.status.success() || text.contains("panicked at"),
        "{text}"
    );
    !output.status.success()
}

/// Starts a thread of the model.
pub fn spawn(name: &str, run: impl FnOnce() + 'static) -> JoinHandle<()> {
    let run = Here(run);

    loom::thread::Builder::new()
        .name(name.into())
        .spawn(move || run.call())
        .unwrap()
}

/// A value that stays on its thread: loom runs all threads of a model on one thread of the system.
struct Here<F>(F);

// SAFETY: All threads of a model are one thread of the system.
unsafe impl<F> Send for Here<F> {}

impl<F: FnOnce()> Here<F> {
    fn call(self) {
        self.0();
    }
}
